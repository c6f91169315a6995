"""The console's login, limited per address and per username so that passwords cannot be tried."""

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponseBase
from django.template.response import TemplateResponse

from accounts.addresses import client_address
from accounts.rate_limits import Usage, count_request


def limited_login(request: HttpRequest) -> HttpResponseBase:
    """Show and handle the login form; past the limit answer 429 without a look at the password."""
    usage = count_attempt(request) if request.method == "POST" else None
    if usage is None or not usage.is_exceeded:
        return admin.site.login(request)
    return TemplateResponse(
        request,
        "admin/too_many_logins.html",
        {**admin.site.each_context(request), "seconds": usage.retry_after},
        status=429,
        headers={"Retry-After": str(usage.retry_after)},
    )


def count_attempt(request: HttpRequest) -> Usage | None:
    """Count an attempt at TOKEN_RATE_LIMIT for its address and, within that, for its username.

    Return the usage that is used up, else that of the last one counted; None when nothing counts.
    """
    rate, usage = settings.TOKEN_RATE_LIMIT, None
    if rate is None:
        return None
    keys = {
        "console_login": client_address(request),
        "console_login_user": request.POST.get("username", "").lower(),
    }
    for scope, key in keys.items():
        usage = count_request(request=request, scope=scope, key=key, rate=rate)
        request.rate_limit_usage = usage  # type: ignore[attr-defined]
        if usage is not None and usage.is_exceeded:
            break
    return usage
