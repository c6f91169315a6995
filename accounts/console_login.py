"""The console's login: passwords cannot be tried, and nobody can lock staff out.

Only failures count, by user and address. A slower brake counts those of a user from everywhere, and
those of an address for everybody. A browser in which the user has logged in before counts for
itself alone, so that strangers who run into a limit stand in nobody's way there.
"""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.core import signing
from django.http import HttpRequest, HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse

from accounts.addresses import client_address
from accounts.rate_limits import Allowance, Usage, take
from accounts.rates import Rate

#: The brake lets so many times more failures pass in so many times the period.
BRAKE_COUNT: Final = 10
BRAKE_PERIOD: Final = 60

DEVICE_COOKIE: Final = "console_device"
DEVICE_LIFETIME: Final = 90 * 86_400  # seconds


@dataclass(frozen=True, slots=True)
class Limit:
    """A rate of failed logins, and whose failures count towards it."""

    scope: str
    rate: str
    whose: tuple[str, ...]

    def take(self, request: HttpRequest, failures: int) -> Usage | None:
        """Count failures, or none, and return the usage; None when Redis did not answer."""
        key = hashlib.sha256("\n".join(self.whose).encode(errors="replace")).hexdigest()
        allowed = [Allowance(self.scope, self.rate)]
        usages = take(request=request, key=key, allowances=allowed, units=failures)
        return usages[0] if usages else None


def limited_login(request: HttpRequest) -> HttpResponseBase:
    """Show and handle the login form; past a limit answer 429 without a look at the password."""
    if request.method != "POST":
        return admin.site.login(request)
    user = user_meant(request)
    device = device_of(request, user)
    limits = limits_of(request, user, device)
    for limit in limits:
        usage = limit.take(request, 0)
        if usage is not None and not usage.remaining:
            return refusal(request, usage)
    response = admin.site.login(request)
    if response.status_code == 302:
        remember(response, user, device or secrets.token_hex(16))
    else:
        for limit in limits:
            limit.take(request, 1)
    return response


def limits_of(request: HttpRequest, user: str, device: str | None) -> list[Limit]:
    """Return what holds for an attempt, each at TOKEN_RATE_LIMIT or slower."""
    rate = settings.TOKEN_RATE_LIMIT
    if rate is None:
        return []
    if device is not None:
        return [Limit("console_login", rate, ("device", user, device))]
    address = client_address(request)
    allowed = Rate.read(rate)
    brake = f"{allowed.count * BRAKE_COUNT}/{allowed.seconds * BRAKE_PERIOD}s"
    return [
        Limit("console_login", rate, ("address", user, address)),
        Limit("console_brake", brake, ("user", user)),
        Limit("console_brake", brake, ("address", address)),
    ]


def user_meant(request: HttpRequest) -> str:
    """Return the username as the login form reads it, however it is spelled, in one case."""
    field = (admin.site.login_form or AdminAuthenticationForm)(request).fields["username"]
    return str(field.to_python(request.POST.get("username", ""))).casefold()


def device_of(request: HttpRequest, user: str) -> str | None:
    """Return the mark of a browser in which this user has logged in; None for any other."""
    cookie = request.COOKIES.get(DEVICE_COOKIE, "")
    try:
        known, device = signing.loads(cookie, salt=DEVICE_COOKIE, max_age=DEVICE_LIFETIME)
    except (signing.BadSignature, ValueError):
        return None
    return device if known == user else None


def remember(response: HttpResponseBase, user: str, device: str) -> None:
    """Mark the browser as one in which this user has logged in."""
    response.set_cookie(
        DEVICE_COOKIE,
        signing.dumps([user, device], salt=DEVICE_COOKIE),
        max_age=DEVICE_LIFETIME,
        path=reverse("admin:login"),
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def refusal(request: HttpRequest, usage: Usage) -> TemplateResponse:
    """Return the answer to an attempt past a limit."""
    request.rate_limit_usage = usage  # type: ignore[attr-defined]
    return TemplateResponse(
        request,
        "admin/too_many_logins.html",
        {**admin.site.each_context(request), "seconds": usage.retry_after},
        status=429,
        headers={"Retry-After": str(usage.retry_after)},
    )
