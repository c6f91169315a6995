"""In which format a call answers: as ``Accept`` asks, as ``format`` does, or in its only one."""

from collections.abc import Iterable
from typing import Any, Final

from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import BaseContentNegotiation, DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

ANYTHING: Final = "*/*"


class AcceptNegotiation(DefaultContentNegotiation):
    """Reads ``Accept``; what can't be read there is nothing that the API could answer with.

    Most calls ask for anything or for the first format itself, which needs no reading.
    """

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> Any:
        offered = list(renderers)
        first = offered[0]
        if request.META.get("HTTP_ACCEPT", ANYTHING) in (ANYTHING, first.media_type):
            return first, first.media_type
        try:
            return super().select_renderer(request, offered, format_suffix)
        except (ValueError, LookupError) as error:
            raise NotAcceptable from error


class SchemaNegotiation(AcceptNegotiation):
    """Lets ``?format=json`` or ``yaml`` outweigh ``Accept``, for tools that set no header."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> Any:
        wanted = request.query_params.get("format")
        offered = list(renderers)
        for renderer in offered:
            if renderer.format == wanted:
                return renderer, renderer.media_type
        return super().select_renderer(request, offered, format_suffix)


class OneFormat(BaseContentNegotiation):
    """Answers in a view's one format, whatever ``Accept`` says: a probe wants an answer."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> None:
        """Read no body."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: Any = None
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, renderer.media_type
