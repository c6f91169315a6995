"""Tells every client how far its rate limit is used up."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from accounts.rate_limits import Usage


class RateLimitHeadersMiddleware:
    """Sets X-RateLimit-Limit, -Remaining and -Reset on each response that a limit counted.

    Reset is the epoch second at which the window ends.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        usage: Usage | None = getattr(request, "rate_limit_usage", None)
        if usage is not None:
            response["X-RateLimit-Limit"] = str(usage.limit)
            response["X-RateLimit-Remaining"] = str(usage.remaining)
            response["X-RateLimit-Reset"] = str(usage.reset)
        return response
