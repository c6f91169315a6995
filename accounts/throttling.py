"""Which limit holds for whom: requests per API key, token requests per address."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from django.conf import settings
from rest_framework.throttling import BaseThrottle

from accounts.authentication import KEY_CLAIM
from accounts.rate_limits import Usage, count_request

if TYPE_CHECKING:  # REST framework imports this module while its views are being defined.
    from rest_framework.request import Request
    from rest_framework.views import APIView
    from rest_framework_simplejwt.tokens import Token


class RateLimitThrottle(BaseThrottle):
    """Counts a request and refuses it past the limit; the usage goes into the headers.

    ``rate_setting`` names the setting with the rate; None there lifts the limit.
    """

    scope: ClassVar[str]
    rate_setting: ClassVar[str]
    usage: Usage | None = None

    def allow_request(self, request: Request, view: APIView) -> bool:
        rate, key = getattr(settings, self.rate_setting), self.key_of(request)
        if rate is None or key is None:
            return True
        http_request = request._request
        self.usage = count_request(request=http_request, scope=self.scope, key=key, rate=rate)
        http_request.rate_limit_usage = self.usage  # type: ignore[attr-defined]
        return self.usage is None or not self.usage.is_exceeded

    def wait(self) -> float | None:
        return self.usage.retry_after if self.usage else None

    def key_of(self, request: Request) -> str | None:
        """Return whom the request counts for; None leaves it uncounted."""
        raise NotImplementedError


class ApiKeyThrottle(RateLimitThrottle):
    """API_RATE_LIMIT per API key, over all its tokens; stands after authentication."""

    scope = "api"
    rate_setting = "API_RATE_LIMIT"

    def key_of(self, request: Request) -> str | None:
        token = cast("Token | None", request.auth)
        return str(token[KEY_CLAIM]) if token else None


class TokenThrottle(RateLimitThrottle):
    """TOKEN_RATE_LIMIT per address of the connection; what a client says in headers is not read."""

    scope = "token"
    rate_setting = "TOKEN_RATE_LIMIT"

    def key_of(self, request: Request) -> str | None:
        return request.META.get("REMOTE_ADDR") or "unknown"
