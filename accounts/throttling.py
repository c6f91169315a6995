"""Which limit holds for whom: requests and orders per API key, token requests per address.

Of a key the rate limits of its user's tier and its scopes hold, and where they are empty, the
settings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Final, cast

from django.conf import settings
from django.http import HttpRequest
from rest_framework.throttling import BaseThrottle

from accounts.addresses import client_address
from accounts.authentication import KEY_CLAIM
from accounts.errors import RateLimited
from accounts.key_limits import AS_SET, KeyLimits, rate_of
from accounts.rate_limits import Allowance, Usage, count_request, take
from accounts.weights import weights_of
from market.kernel.api.endpoints import template_of, views_by_template

if TYPE_CHECKING:  # REST framework imports this module while its views are being defined.
    from rest_framework.request import Request
    from rest_framework.views import APIView
    from rest_framework_simplejwt.tokens import Token

    from accounts.keys import CallingKey


#: The scope of the limit of orders.
ORDERS: Final = "orders"
#: Tells those of ten seconds from those of a minute, in Redis.
BURSTS: Final = "-10s"
#: The methods of calls that weigh; HEAD is GET.
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
#: What a view asks for that says nothing of orders.
NOTHING: Final[Mapping[str, int]] = {}


class RateLimitThrottle(BaseThrottle):
    """Counts a request and raises RateLimited past the limit; the usage goes into the headers."""

    scope: ClassVar[str]

    def allow_request(self, request: Request, view: APIView) -> bool:
        rate, key = self.rate_for(request), self.key_of(request)
        if rate is None or key is None:
            return True
        http_request = request._request
        usage = self.count(request, view, key=key, rate=rate)
        http_request.rate_limit_usage = usage  # type: ignore[attr-defined]
        if usage is not None and usage.is_exceeded:
            raise RateLimited(usage, refusal_of_weight(usage, self.weight_of(request)))
        return True

    def count(self, request: Request, view: APIView, *, key: str, rate: str) -> Usage | None:
        """Count the request; None where Redis did not answer."""
        counted = count_request(request=request._request, scope=self.scope, key=key, rate=rate)
        return counted and counted[0]

    def rate_for(self, request: Request) -> str | None:
        """Return the rate that holds who asks; None where nothing does."""
        raise NotImplementedError

    def key_of(self, request: Request) -> str | None:
        """Return whom the request counts for; None leaves it uncounted."""
        raise NotImplementedError

    def weight_of(self, request: Request) -> int:
        """Return how many requests it counts as."""
        return 1


class ApiKeyThrottle(RateLimitThrottle):
    """Requests per API key, over all its tokens; stands after authentication.

    A view that says in ``orders_asked`` how many orders a method asks for has them counted in the
    same round trip, for ``limit_orders`` or ``usage_of_orders`` to find.
    """

    scope = "api"

    def rate_for(self, request: Request) -> str | None:
        return rate_of(limits_of(request).requests_per_minute, settings.API_RATE_LIMIT)

    def count(self, request: Request, view: APIView, *, key: str, rate: str) -> Usage | None:
        http_request = request._request
        orders, limits = orders_with(http_request, view), limits_of(request)
        counted = count_request(
            request=http_request,
            scope=self.scope,
            key=key,
            rate=rate,
            weight=self.weight_of(request),
            slides=limits.slide,
            beside=() if orders is None else allowances_of_orders(limits),
            units=orders or 0,
        )
        if orders is not None:
            http_request.order_usages = counted and counted[1]  # type: ignore[attr-defined]
        return counted and counted[0]

    def key_of(self, request: Request) -> str | None:
        return api_key_of(request)

    def weight_of(self, request: Request) -> int:
        weights, match = limits_of(request).weights, request._request.resolver_match
        if not weights or match is None:
            return 1
        method = "GET" if request.method == "HEAD" else request.method
        return weights_of(weights).get(f"{method} {template_of(match.route)}", 1)


class TokenThrottle(RateLimitThrottle):
    """TOKEN_RATE_LIMIT per address of the client, which stands before authentication."""

    scope = "token"

    def rate_for(self, request: Request) -> str | None:
        rate: str | None = settings.TOKEN_RATE_LIMIT
        return rate

    def key_of(self, request: Request) -> str | None:
        return client_address(request._request)


def api_key_of(request: Request) -> str | None:
    """Return the API key that the token of a request names."""
    token = cast("Token | None", request.auth)
    return str(token[KEY_CLAIM]) if token else None


def limits_of(request: Request) -> KeyLimits:
    """Return what the account policy says of the caller's key, as it was read with the key."""
    key: CallingKey | None = getattr(request.user, "calling_key", None)
    return AS_SET if key is None else key.limits


def request_weights(request: Request) -> Mapping[str, int]:
    """Return the calls that count as several requests of the caller's key."""
    return weights_of(limits_of(request).weights)


def counted_calls() -> Iterator[str]:
    """Yield the calls that count for the limit of a key, as weights name them."""
    for template, view in views_by_template():
        if ApiKeyThrottle in view.throttle_classes:
            methods = (one for one in METHODS if hasattr(view, one.lower()))
            yield from (f"{method} {template}" for method in methods)


def orders_with(request: HttpRequest, view: APIView) -> int | None:
    """Return how many orders to count with a request; None where they are counted later, or none.

    Between both a query may be refused, which counts no order.
    """
    asked: Mapping[str, int] = getattr(view, "orders_asked", NOTHING)
    orders = asked.get(str(request.method))
    return None if orders and request.META.get("QUERY_STRING") else orders


def allowances_of_orders(limits: KeyLimits) -> list[Allowance]:
    """Return what holds orders of a key: a minute, ten seconds, both or nothing."""
    rate = rate_of(limits.orders_per_minute, settings.ORDER_RATE_LIMIT)
    allowances = [] if rate is None else [Allowance(ORDERS, rate)]
    if limits.orders_per_10_seconds is not None:
        allowances.append(Allowance(ORDERS, f"{limits.orders_per_10_seconds}/10s", BURSTS))
    return allowances


def limit_orders(request: Request, *, orders: int) -> None:
    """Count orders of the caller's key, all of them within all limits, or raise RateLimited."""
    usage = usage_of_orders(request, orders=orders)
    request._request.order_limit_usage = usage  # type: ignore[attr-defined]
    if usage is not None and usage.is_exceeded:
        raise RateLimited(usage, refusal_of_orders(usage, orders))


def usage_of_orders(request: Request, *, orders: int = 0) -> Usage | None:
    """Count orders of the caller's key, or none, where that was not done with the request.

    Returns the usage of the limit that binds, None where nothing limits them, or Redis did not
    answer.
    """
    http_request = request._request
    if hasattr(http_request, "order_usages"):
        usages: list[Usage] | None = http_request.order_usages
    else:
        usages = count_orders(request, orders)
    return binding(usages, orders) if usages else None


def count_orders(request: Request, orders: int) -> list[Usage] | None:
    limits, key = limits_of(request), api_key_of(request)
    allowances = allowances_of_orders(limits)
    if not allowances or key is None:
        return None
    return take(
        request=request._request,
        key=key,
        allowances=allowances,
        units=orders,
        slides=limits.slide,
    )


def binding(usages: Sequence[Usage], orders: int) -> Usage:
    """Return the usage of the limit that binds.

    Of those that refuse so many orders it is one that never lets them pass, else the one to wait
    for longest; where none does, the one that leaves least.
    """
    refusing = [one for one in usages if one.is_exceeded]
    if refusing:
        return max(refusing, key=lambda one: (orders > one.limit, one.retry_after))
    return min(usages, key=lambda one: one.remaining)


def usage_of_requests(request: Request) -> Usage | None:
    """Return the usage that counted this request; None where nothing did."""
    usage: Usage | None = getattr(request._request, "rate_limit_usage", None)
    return usage


def refusal_of_weight(usage: Usage, weight: int) -> str:
    """Return why a call is too many requests where some are left, or ever; else nothing."""
    if weight > usage.limit:
        return (
            f"This call counts as {weight} requests, of which at most {usage.limit} are allowed "
            "at once: it never passes until staff change either."
        )
    if not usage.remaining:
        return ""
    return (
        f"{usage.remaining} of {usage.limit} requests are left, fewer than this call counts as. "
        f"Expected available in {usage.retry_after} seconds."
    )


def refusal_of_orders(usage: Usage, orders: int) -> str:
    """Return why so many orders are too many, and what to do."""
    if orders > usage.limit:
        return f"At most {usage.limit} orders are allowed at once; send fewer."
    return (
        f"{usage.remaining} of {usage.limit} orders are left, not {orders}. "
        f"Expected available in {usage.retry_after} seconds."
    )
