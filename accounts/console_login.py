"""The console's login, limited per address so that passwords cannot be tried out."""

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponseBase
from django.template.response import TemplateResponse

from accounts.rate_limits import count_request


def limited_login(request: HttpRequest) -> HttpResponseBase:
    """Show and handle the login form; past the limit of an address answer 429."""
    rate = settings.TOKEN_RATE_LIMIT
    if request.method == "POST" and rate is not None:
        address = request.META.get("REMOTE_ADDR", "")
        usage = count_request(request=request, scope="console_login", key=address, rate=rate)
        request.rate_limit_usage = usage  # type: ignore[attr-defined]
        if usage is not None and usage.is_exceeded:
            context = {**admin.site.each_context(request), "seconds": usage.retry_after}
            return TemplateResponse(
                request,
                "admin/too_many_logins.html",
                context,
                status=429,
                headers={"Retry-After": str(usage.retry_after)},
            )
    return admin.site.login(request)
