"""How calls are named: by the template of their route, such as ``/orders/{order_id}``."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

from django.urls import URLPattern, URLResolver, get_resolver

ROUTE_PARAMETER: Final = re.compile(r"<(?:[^>:]+:)?([^>]+)>")


@lru_cache
def template_of(route: str) -> str:
    """Return the template of a route as Django writes it."""
    return "/" + ROUTE_PARAMETER.sub(r"{\1}", route)


def views_by_template() -> Iterator[tuple[str, Any]]:
    """Yield the class of every view that is one, with its template."""
    yield from views_in(get_resolver().url_patterns, "")


def views_in(
    patterns: Sequence[URLPattern | URLResolver], before: str
) -> Iterator[tuple[str, Any]]:
    for one in patterns:
        route = before + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from views_in(one.url_patterns, route)
        elif view := getattr(one.callback, "cls", None):
            yield template_of(route), view
