"""How the OpenAPI document describes bearer tokens and the limit of orders."""

from typing import Any, Final

from drf_spectacular.contrib.rest_framework_simplejwt import SimpleJWTScheme
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

from market.kernel.api.schema import ERROR


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


ORDER_LIMIT_HEADERS: Final = [
    OpenApiParameter(
        f"X-OrderLimit-{name}",
        int,
        OpenApiParameter.HEADER,
        description=f"{meaning} Left out where nothing limits orders.",
        response=[200, 400, 403, 409, 429],
    )
    for name, meaning in (
        ("Limit", "Orders that the API key may place in a window."),
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
