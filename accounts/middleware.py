"""Tells every client how far its rate limits are used up."""

from collections.abc import Callable
from typing import Final

from django.http import HttpRequest, HttpResponse

from accounts.rate_limits import Usage

#: Headers of a limit, and where a request notes its usage.
USAGES: Final = {"X-RateLimit": "rate_limit_usage", "X-OrderLimit": "order_limit_usage"}


class RateLimitHeadersMiddleware:
    """Sets X-RateLimit-Limit, -Remaining and -Reset on each response that a limit counted.

    X-OrderLimit-* say the same of orders. Reset is the epoch second from which all is left.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        for name, noted in USAGES.items():
            usage: Usage | None = getattr(request, noted, None)
            if usage is not None:
                response[f"{name}-Limit"] = str(usage.limit)
                response[f"{name}-Remaining"] = str(usage.remaining)
                response[f"{name}-Reset"] = str(usage.reset)
        return response
