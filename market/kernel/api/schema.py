"""How every endpoint documents its refusals: one error body, one example per status."""

from typing import Final

from drf_spectacular.utils import OpenApiExample, OpenApiResponse, inline_serializer
from rest_framework import serializers

from market.kernel.errors import DatabaseBusy, DatabaseTimeout, DatabaseUnavailable

#: The body of every refused call; a code may bring further facts beside these fields.
ERROR: Final = inline_serializer(
    "Error",
    fields={
        "detail": serializers.CharField(help_text="What is wrong, and what to do next."),
        "code": serializers.CharField(help_text="The machine-readable reason."),
        "errors": serializers.DictField(
            child=serializers.ListField(child=serializers.CharField()),
            required=False,
            help_text="Of a validation error: the complaints by field.",
        ),
    },
)

#: The usual refusals of each status: what it means, and the sentence of each code.
REFUSALS: Final[dict[int, tuple[str, dict[str, str]]]] = {
    400: ("Not valid", {"validation_error": "The request is not valid; see errors."}),
    401: ("No valid token", {"token_not_valid": "Given token not valid for any token type"}),
    403: (
        "Data of another user, or a regulator's write",
        {"permission_denied": "This belongs to another user."},
    ),
    404: ("Not found", {"not_found": "There is nothing at this address."}),
    409: ("Conflict", {"conflict": "The call contradicts an earlier one."}),
    429: (
        "Rate limit reached",
        {"rate_limited": "Request was throttled. Expected available in 17 seconds."},
    ),
    503: (
        "Database away or busy",
        {one.code: one.detail for one in (DatabaseUnavailable, DatabaseBusy, DatabaseTimeout)},
    ),
}


def errors(*statuses: int, **codes: str) -> dict[int, OpenApiResponse]:
    """Return the responses of an endpoint's refusals, for ``extend_schema(responses=...)``.

    ``codes`` name further codes with their sentence; they are listed under the first status:
    ``errors(404, unknown_symbol="No instrument is listed under this symbol.")``.
    """
    return {
        status: OpenApiResponse(
            ERROR,
            description=REFUSALS[status][0],
            examples=examples(status, codes if position == 0 else {}),
        )
        for position, status in enumerate(statuses)
    }


def examples(status: int, codes: dict[str, str]) -> list[OpenApiExample]:
    """Return an example body per code; without codes, the usual ones of the status."""
    return [
        OpenApiExample(code, value={"detail": detail, "code": code})
        for code, detail in (codes or REFUSALS[status][1]).items()
    ]
