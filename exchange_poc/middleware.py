"""Middleware for people's pages: calls of the API pass it by, which is a tenth of a read's cost."""

from collections.abc import Callable
from typing import Any, Final

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse
from simple_history.middleware import HistoryRequestMiddleware
from whitenoise.middleware import WhiteNoiseMiddleware  # type: ignore[import-untyped]

Respond = Callable[[HttpRequest], HttpResponse]

#: The console, the page that shows the API, and their files.
PAGES: Final = ("/admin", "/docs", "/static/")


def is_page(request: HttpRequest) -> bool:
    return request.path_info.startswith(PAGES)


class ForPages:
    """Stands before a middleware and lets it have nothing but pages."""

    def __call__(self, request: HttpRequest) -> Any:
        if is_page(request):
            return super().__call__(request)  # type: ignore[misc]
        return self.get_response(request)  # type: ignore[attr-defined]


class StaticFiles(ForPages, WhiteNoiseMiddleware):
    pass


class Sessions(ForPages, SessionMiddleware):
    pass


class Login(ForPages, AuthenticationMiddleware):
    pass


class Messages(ForPages, MessageMiddleware):
    pass


def history(get_response: Respond) -> Respond:
    """Let the history of what is changed on a page name who did it."""
    noting = HistoryRequestMiddleware(get_response)
    return lambda request: noting(request) if is_page(request) else get_response(request)
