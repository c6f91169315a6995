"""The middleware of people's pages, which calls of the API pass by at once: a tenth of a read."""

from collections.abc import Callable
from typing import Any, Final

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from simple_history.middleware import HistoryRequestMiddleware
from whitenoise.middleware import WhiteNoiseMiddleware  # type: ignore[import-untyped]

Respond = Callable[[HttpRequest], HttpResponse]

#: The console, the page that shows the API, and their files; the bare address leads there.
PAGES: Final = ("/admin", "/docs", "/static/")
HOME: Final = "/"


def is_page(request: HttpRequest) -> bool:
    path = request.path_info
    return path.startswith(PAGES) or path == HOME


class Pages:
    """Static files, sessions, protection against forged forms, login, messages, history."""

    def __init__(self, get_response: Respond) -> None:
        self.get_response = get_response
        self.csrf = CsrfViewMiddleware(
            AuthenticationMiddleware(MessageMiddleware(HistoryRequestMiddleware(get_response)))
        )
        self.of_page: Respond = WhiteNoiseMiddleware(SessionMiddleware(self.csrf))

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.of_page(request) if is_page(request) else self.get_response(request)

    def process_view(self, request: HttpRequest, *view: Any) -> HttpResponse | None:
        """Refuse a forged form; Django asks for this once it knows the view."""
        return self.csrf.process_view(request, *view) if is_page(request) else None
