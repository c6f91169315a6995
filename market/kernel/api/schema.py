"""How every endpoint documents what it takes and its refusals: one error body, examples by status.

What a call takes is what its view declares (``market.kernel.api.calls``).
"""

import re
from typing import Any, Final

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    inline_serializer,
)
from rest_framework import serializers

from market.kernel.errors import (
    DatabaseBusy,
    DatabaseTimeout,
    DatabaseUnavailable,
    UnknownField,
    UnknownParameter,
)

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

#: Of every call, and of those that read a body.
UNKNOWN: Final = {UnknownParameter.code: UnknownParameter.detail}
BODY_REFUSALS: Final = {
    "validation_error": "The request is not valid; see errors.",
    UnknownField.code: UnknownField.detail,
}

#: The usual refusals of each status: what it means, and the sentence of each code.
REFUSALS: Final[dict[int, tuple[str, dict[str, str]]]] = {
    400: ("Not valid", {"validation_error": "The request is not valid; see errors."}),
    401: (
        "No valid token",
        {"token_not_valid": "Given token not valid for any token type"},
    ),
    403: (
        "Data of another user, a regulator's write, or what the key is not good for",
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
    ``errors(404, unknown_symbol="No instrument is listed under this symbol.")``. What a token and
    its key are refused for is told of each call by ``accounts.schema``.
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
    told = (codes or REFUSALS[status][1]) | (UNKNOWN if status == 400 else {})
    return [
        OpenApiExample(code, value={"detail": detail, "code": code})
        for code, detail in told.items()
    ]


#: What a path may name on the demo data, so that each call can be tried as it stands.
PLACES: Final[dict[str, dict[str, Any]]] = {
    "symbol": {"type": "string", "example": "BTCUSDT"},
    **{
        name: {"type": "integer", "minimum": 1, "example": 1}
        for name in ("order_id", "position_id", "study_id", "user_id")
    },
}


class CallSchema(AutoSchema):
    """Describes what a view declares that it takes, and fills in what its path names."""

    def get_override_parameters(self) -> list[Any]:
        declared = getattr(self.view, "queries", {}).get(self.method.lower())
        places = [
            OpenApiParameter(name, PLACES[name], OpenApiParameter.PATH)
            for name in re.findall(r"{(\w+)}", self.path)
            if name in PLACES
        ]
        return [*super().get_override_parameters(), *places, *([declared] if declared else [])]

    def get_request_serializer(self) -> Any:
        return getattr(self.view, "bodies", {}).get(self.method.lower())
