"""API9: every URL is known: in the schema, or in a list with its reason."""

import re
from collections.abc import Iterator

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from drf_spectacular.generators import SchemaGenerator

from tests.conftest import ApiClient
from tests.each import each
from tests.system.security.test_api2_authentication import PROTECTED

#: What is no API call, and why it may be open.
BESIDES = {
    "/": "leads to the docs",
    "/schema": "the schema itself",
    "/docs": "reads the schema",
}
#: Calls that want no token.
OPEN = {"/auth/token", "/health", "/metrics", "/time"}


def routes(patterns: list[URLPattern | URLResolver], prefix: str = "/") -> Iterator[str]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        else:
            yield re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route)


def api_routes() -> set[str]:
    every = set(routes(get_resolver().url_patterns))
    return {route for route in every if not route.startswith("/admin/")}


@pytest.fixture(scope="module")
def documented() -> dict[str, dict[str, object]]:
    return SchemaGenerator().get_schema(request=None, public=True)["paths"]


def test_every_url_is_documented(documented: dict[str, dict[str, object]]) -> None:
    assert api_routes() - set(documented) == set(BESIDES)
    assert set(documented) - api_routes() == set()


def test_every_call_wants_a_token_or_is_named(documented: dict[str, dict[str, object]]) -> None:
    closed = {re.sub(r"\{(\w+_id)\}", "1", path) for path in documented} - OPEN
    closed = {path.replace("{symbol}", "BTCUSDT") for path in closed}
    assert {path for _, path in PROTECTED} == closed


def test_every_documented_method_is_among_the_tried_ones(
    documented: dict[str, dict[str, object]],
) -> None:
    count = sum(len(methods) for path, methods in documented.items() if path not in OPEN)
    assert count == len(PROTECTED)


@each(
    "path",
    ["/v1/orders", "/api/orders", "/orders/", "/schema.json", "/swagger", "/debug", "/__debug__/"],
)
def test_no_other_version_answers(anonymous: ApiClient, path: str) -> None:
    assert anonymous.get(path).status_code == 404
