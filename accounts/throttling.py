"""Which limit holds for whom: requests and orders per API key, token requests per address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Final, cast

from django.conf import settings
from django.http import HttpRequest
from rest_framework.throttling import BaseThrottle

from accounts.addresses import client_address
from accounts.authentication import KEY_CLAIM
from accounts.errors import RateLimited
from accounts.rate_limits import Allowance, Usage, count_request, take

if TYPE_CHECKING:  # REST framework imports this module while its views are being defined.
    from rest_framework.request import Request
    from rest_framework.views import APIView
    from rest_framework_simplejwt.tokens import Token


#: The scope of the limit of orders.
ORDERS: Final = "orders"
#: What a view asks for that says nothing of orders.
NOTHING: Final[Mapping[str, int]] = {}


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
        usage = self.count(request, view, key=key, rate=rate)
        http_request.rate_limit_usage = usage  # type: ignore[attr-defined]
        if usage is not None and usage.is_exceeded:
            raise RateLimited(usage)
        return True

    def count(self, request: Request, view: APIView, *, key: str, rate: str) -> Usage | None:
        """Count the request; None where Redis did not answer."""
        counted = count_request(request=request._request, scope=self.scope, key=key, rate=rate)
        return counted and counted[0]

    def key_of(self, request: Request) -> str | None:
        """Return whom the request counts for; None leaves it uncounted."""
        raise NotImplementedError


class ApiKeyThrottle(RateLimitThrottle):
    """API_RATE_LIMIT per API key, over all its tokens; stands after authentication.

    A view that says in ``orders_asked`` how many orders a method asks for has them counted in the
    same round trip, for ``limit_orders`` or ``usage_of_orders`` to find.
    """

    scope = "api"
    rate_setting = "API_RATE_LIMIT"

    def count(self, request: Request, view: APIView, *, key: str, rate: str) -> Usage | None:
        http_request = request._request
        orders = orders_with(http_request, view)
        counted = count_request(
            request=http_request,
            scope=self.scope,
            key=key,
            rate=rate,
            slides=limits_slide(request),
            beside=() if orders is None else allowances_of_orders(),
            units=orders or 0,
        )
        if orders is not None:
            http_request.order_usages = counted and counted[1]  # type: ignore[attr-defined]
        return counted and counted[0]

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


def orders_with(request: HttpRequest, view: APIView) -> int | None:
    """Return how many orders to count with a request; None where they are counted later, or none.

    Between both a query may be refused, which counts no order.
    """
    asked: Mapping[str, int] = getattr(view, "orders_asked", NOTHING)
    orders = asked.get(str(request.method))
    return None if orders and request.META.get("QUERY_STRING") else orders


def allowances_of_orders() -> list[Allowance]:
    """Return what holds orders of a key; nothing does where the limit is lifted."""
    rate = settings.ORDER_RATE_LIMIT
    return [] if rate is None else [Allowance(ORDERS, rate)]


def limit_orders(request: Request, *, orders: int) -> None:
    """Count orders of the caller's key at ORDER_RATE_LIMIT: all of them, or raise RateLimited."""
    usage = usage_of_orders(request, orders=orders)
    request._request.order_limit_usage = usage  # type: ignore[attr-defined]
    if usage is not None and usage.is_exceeded:
        raise RateLimited(usage, refusal_of_orders(usage, orders))


def usage_of_orders(request: Request, *, orders: int = 0) -> Usage | None:
    """Count orders of the caller's key, or none, where that was not done with the request.

    Returns the usage, None where nothing limits them, or Redis did not answer.
    """
    http_request = request._request
    if hasattr(http_request, "order_usages"):
        usages: list[Usage] | None = http_request.order_usages
    else:
        usages = count_orders(request, orders)
    return usages[0] if usages else None


def count_orders(request: Request, orders: int) -> list[Usage] | None:
    allowances, key = allowances_of_orders(), api_key_of(request)
    if not allowances or key is None:
        return None
    return take(
        request=request._request,
        key=key,
        allowances=allowances,
        units=orders,
        slides=limits_slide(request),
    )


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
