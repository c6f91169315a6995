"""How the OpenAPI document describes bearer tokens, their refusals, and the limit of orders."""

from collections.abc import Iterator
from typing import Any, Final

from drf_spectacular.contrib.rest_framework_simplejwt import SimpleJWTScheme
from drf_spectacular.plumbing import build_examples_list
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

from accounts.errors import KeyExpired, NetworkNotAllowed, ScopeMissing
from accounts.key_terms import needed_by
from accounts.models import KeyScopes
from market.kernel.api.schema import ERROR, REFUSALS
from market.kernel.errors import ExchangeError


class ApiKeyTokenScheme(SimpleJWTScheme):  # type: ignore[no-untyped-call]
    """Registers itself with drf-spectacular on import."""

    target_class = "accounts.authentication.ApiKeyTokenAuthentication"
    name = "bearerToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        told = "A token of `POST /auth/token`. On this page an API key will do, such as "
        definition: dict[str, Any] = super().get_security_definition(  # type: ignore[no-untyped-call]
            auto_schema
        )
        return {**definition, "description": f"{told}`beginner-key` of the demo data."}


def tell_key_refusals(
    result: dict[str, Any], generator: Any, request: Any, public: bool
) -> dict[str, Any]:
    """Complete each call that wants a token by what that and its key may be refused for."""
    for calls in result["paths"].values():
        for method, call in calls.items():
            if "security" in call:
                for code, detail in REFUSALS[401][1].items():
                    tell(call["responses"], 401, {"detail": detail, "code": code})
                for error in refusals_of(method):
                    tell(call["responses"], error.status, error.body)
    return result


def refusals_of(method: str) -> Iterator[ExchangeError]:
    """Yield what a key may be refused for at a call of a method, as ``must_allow`` does."""
    yield from (KeyExpired(), NetworkNotAllowed())
    needed = needed_by(method)
    if any(needed not in scopes.split() for scopes in KeyScopes.values):
        yield ScopeMissing(scope=needed)


def tell(responses: dict[str, Any], status: int, body: dict[str, Any]) -> None:
    """Add a refusal to those that a call tells under a status."""
    told = build_examples_list([OpenApiExample(body["code"], value=body)])
    response = responses.setdefault(
        str(status),
        {
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
            "description": REFUSALS[status][0],
        },
    )
    content = response["content"]["application/json"]
    content["examples"] = content.get("examples", {}) | told


ORDER_LIMIT_HEADERS: Final = [
    OpenApiParameter(
        f"X-OrderLimit-{name}",
        int,
        OpenApiParameter.HEADER,
        description=f"{meaning} Left out where nothing limits orders.",
        response=[200, 400, 403, 409, 429],
    )
    for name, meaning in (
        ("Limit", "Orders that the API key may place in a window, of the limit that binds."),
        ("Remaining", "Orders that are left of them."),
        ("Reset", "When all of them are left again, in seconds since the epoch."),
    )
]

ORDER_LIMIT_REACHED: Final = OpenApiResponse(
    ERROR,
    description="Too many requests, or too many orders: ``scope`` tells which. A batch that does "
    "not fit is refused whole and counts none of its orders. Retry-After says when to come back.",
    examples=[
        OpenApiExample(
            f"rate_limited ({scope})",
            value={
                "detail": detail,
                "code": "rate_limited",
                "scope": scope,
                "retry_after": 17,
            },
        )
        for scope, detail in (
            ("api", "Request was throttled. Expected available in 17 seconds."),
            ("orders", "12 of 600 orders are left, not 50. Expected available in 17 seconds."),
        )
    ],
)
