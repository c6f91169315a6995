"""What every request must be before anything acts on it: readable, in UTF-8, as a whole.

A server hands on whatever a client sent. Django looks at some of it before any middleware runs,
where an error would be a 500 that nobody logs; so the request takes it in as it is, and the
middleware refuses it, observed like every other request.
"""

import codecs
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import ResolverMatch, resolve
from django.utils.http import parse_header_parameters

from market.kernel.errors import ExchangeError, LengthRequired, NullCharacter, UnknownCharset

UTF_8: Final = {"utf-8", "ascii"}
#: Of longer paths none is remembered, whatever clients make up.
LONGEST_REMEMBERED: Final = 128


class PatientRequest(WSGIRequest):
    """A request that takes any Content-Type and reads its query in UTF-8, as URLs are written."""

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        try:
            found = parse_header_parameters(meta.get("CONTENT_TYPE", ""))
        except ValueError:
            found = ("", {"charset": "unreadable"})
        self.content_type, self.content_params = found


class Handler(WSGIHandler):
    """Django's own, but for the request, and the view of a path, which is looked for once."""

    request_class = PatientRequest

    def resolve_request(self, request: HttpRequest) -> ResolverMatch:
        """Return what answers a path. Raises Resolver404, which is not remembered."""
        path = request.path_info
        found = remembered(path) if len(path) <= LONGEST_REMEMBERED else resolve(path)
        request.resolver_match = found
        return found


@lru_cache(maxsize=1024)
def remembered(path: str) -> ResolverMatch:
    return resolve(path)


class ReadableRequestMiddleware:
    """Refuses what can't be read as a whole."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            check_charset(request)
            check_query(request)
            check_length(request)
        except ExchangeError as error:
            return JsonResponse(error.body, status=error.status)
        return self.get_response(request)


def check_charset(request: HttpRequest) -> None:
    """Refuse a body in another charset than UTF-8. Raises UnknownCharset."""
    charset = (request.content_params or {}).get("charset", "utf-8")
    try:
        known = codecs.lookup(charset).name in UTF_8
    except (LookupError, ValueError):
        known = False
    if not known:
        raise UnknownCharset


def check_query(request: HttpRequest) -> None:
    """Refuse a query that no column holds. Raises NullCharacter, TooManyFieldsSent."""
    if not request.META.get("QUERY_STRING"):
        return
    if any("\0" in part for name, values in request.GET.lists() for part in (name, *values)):
        raise NullCharacter


def check_length(request: HttpRequest) -> None:
    """Refuse a chunked body, which has no length and would pass for an empty one.

    Raises LengthRequired.
    """
    if "HTTP_TRANSFER_ENCODING" in request.META:
        raise LengthRequired
