"""Which limit holds for whom: requests and orders per API key, token requests per address."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, cast

from django.conf import settings
from rest_framework.throttling import BaseThrottle

from accounts.addresses import client_address
from accounts.authentication import KEY_CLAIM
from accounts.errors import RateLimited
from accounts.rate_limits import Usage, count_request, slide, take

if TYPE_CHECKING:  # REST framework imports this module while its views are being defined.
    from rest_framework.request import Request
    from rest_framework.views import APIView
    from rest_framework_simplejwt.tokens import Token


#: The scope of the limit of orders.
ORDERS: Final = "orders"


class RateLimitThrottle(BaseThrottle):
    """Counts a request and raises RateLimited past the limit; the usage goes into the headers.

    ``rate_setting`` names the setting with the rate; None there lifts the limit.
    """

    scope: ClassVar[str]
    rate_setting: ClassVar[str]

    def allow_request(self, request: Request, view: APIView) -> bool:
        rate, key = getattr(settings, self.rate_setting), self.key_of(request)
        if rate is None or key is None:
            return True
        http_request = request._request
        usage = self.count(request, key=key, rate=rate)
        http_request.rate_limit_usage = usage  # type: ignore[attr-defined]
        if usage is not None and usage.is_exceeded:
            raise RateLimited(usage)
        return True

    def count(self, request: Request, *, key: str, rate: str) -> Usage | None:
        """Count the request; None where Redis did not answer."""
        return count_request(request=request._request, scope=self.scope, key=key, rate=rate)

    def key_of(self, request: Request) -> str | None:
        """Return whom the request counts for; None leaves it uncounted."""
        raise NotImplementedError


class ApiKeyThrottle(RateLimitThrottle):
    """API_RATE_LIMIT per API key, over all its tokens; stands after authentication."""

    scope = "api"
    rate_setting = "API_RATE_LIMIT"

    def count(self, request: Request, *, key: str, rate: str) -> Usage | None:
        if not limits_slide(request):
            return super().count(request, key=key, rate=rate)
        return slide(request=request._request, scope=self.scope, key=key, rate=rate)

    def key_of(self, request: Request) -> str | None:
        return api_key_of(request)


class TokenThrottle(RateLimitThrottle):
    """TOKEN_RATE_LIMIT per address of the client, which stands before authentication."""

    scope = "token"
    rate_setting = "TOKEN_RATE_LIMIT"

    def key_of(self, request: Request) -> str | None:
        return client_address(request._request)


def api_key_of(request: Request) -> str | None:
    """Return the API key that the token of a request names."""
    token = cast("Token | None", request.auth)
    return str(token[KEY_CLAIM]) if token else None


def limits_slide(request: Request) -> bool:
    """Tell whether the account policy lets limits of keys slide, as it was read with the key."""
    key = getattr(request.user, "calling_key", None)
    return bool(getattr(key, "limits_slide", False))


def limit_orders(request: Request, *, orders: int) -> None:
    """Count orders of the caller's key at ORDER_RATE_LIMIT: all of them, or raise RateLimited."""
    usage = usage_of_orders(request, orders=orders)
    request._request.order_limit_usage = usage  # type: ignore[attr-defined]
    if usage is not None and usage.is_exceeded:
        raise RateLimited(usage, refusal_of_orders(usage, orders))


def usage_of_orders(request: Request, *, orders: int = 0) -> Usage | None:
    """Count orders of the caller's key, or none, and return the usage.

    None where nothing limits them, or Redis did not answer.
    """
    rate, key = settings.ORDER_RATE_LIMIT, api_key_of(request)
    if rate is None or key is None:
        return None
    count = slide if limits_slide(request) else take
    return count(request=request._request, scope=ORDERS, key=key, rate=rate, units=orders)


def usage_of_requests(request: Request) -> Usage | None:
    """Return the usage that counted this request; None where nothing did."""
    usage: Usage | None = getattr(request._request, "rate_limit_usage", None)
    return usage


def refusal_of_orders(usage: Usage, orders: int) -> str:
    """Return why so many orders are too many, and what to do."""
    if orders > usage.limit:
        return f"At most {usage.limit} orders are allowed at once; send fewer."
    return (
        f"{usage.remaining} of {usage.limit} orders are left, not {orders}. "
        f"Expected available in {usage.retry_after} seconds."
    )
