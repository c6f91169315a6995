"""Whatever a server hands on is answered, logged and counted; what can't be read is a 4xx."""

import json
from urllib.parse import unquote_to_bytes

from django.conf import settings
from prometheus_client import REGISTRY

from kpi.requests.metrics import UNMATCHED
from tests.conftest import ApiClient
from tests.each import each
from tests.market.kernel.api.conftest import Call

PATHS = ("/health", "/orders", "/auth/token", "/schema", "/docs", "/nowhere", "/admin/login/")
CHARSETS = ("base64", "rot13", "hex", "zlib", "undefined", "utf-16", "nosuch", "idna", "", "\0")


def refusals(status: int) -> float:
    """Return how many there were, without a look at all other metrics of the process."""
    labels = {"endpoint": UNMATCHED, "status": str(status)}
    [family] = REGISTRY.restricted_registry(["api_error_total"]).collect()
    return sum(sample.value for sample in family.samples if sample.labels == labels)


@each("charset", CHARSETS)
@each("path", PATHS)
def test_another_charset_is_refused(call: Call, path: str, charset: str) -> None:
    before = refusals(415)
    for kind in (f"text/plain; charset={charset}", f'application/json; charset="{charset}"'):
        answer = call("GET", path, query="a=1", CONTENT_TYPE=kind)
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
        assert answer.headers["X-Request-ID"]
        assert answer.headers["X-Frame-Options"] == "DENY"
    assert refusals(415) == before + 2


@each("charset", ["utf-8", "UTF-8", "utf8", '"utf-8"', "us-ascii"])
def test_utf_8_is_read_under_every_name(call: Call, charset: str) -> None:
    body = b'{"api_key": "none"}'
    kind = f"application/json; charset={charset}"
    answer = call("POST", "/auth/token", "", body, CONTENT_TYPE=kind, CONTENT_LENGTH=len(body))
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_api_key")


@each("name", ["base64", "nosuch", "undefined", "utf-8"])
@each("path", ["/health", "/orders", "/schema", "/docs"])
def test_an_encoded_parameter_of_a_header_is_survived(call: Call, path: str, name: str) -> None:
    for header in ("CONTENT_TYPE", "HTTP_ACCEPT"):
        answer = call("GET", path, **{header: f"text/plain; a*={name}''%ff; b"})
        assert answer.status_code in {200, 401, 406, 415}, header


@each("kind", ["", "text/plain", "application/json; charset=utf-8"])
@each("path", PATHS)
def test_too_many_parameters_are_refused(call: Call, path: str, kind: str) -> None:
    before = refusals(400)
    query = "&".join(f"a{number}=1" for number in range(1_001))
    answer = call("GET", path, query, CONTENT_TYPE=kind)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert refusals(400) == before + 1


@each("path", PATHS)
def test_a_null_character_is_refused(call: Call, path: str) -> None:
    for query in ("a=%00", "%00=1", "a=1&a=%00"):
        answer = call("GET", path, query)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_request"), query
    for place in (f"{path}\0", f"{path}\0/", "/static/\0", "/admin/\0"):
        at_console = place.startswith("/admin/")  # asks whoever it may be to log in first
        assert call("GET", place).status_code == (302 if at_console else 404), place


ODD_BYTES = ("%FF", "%ED%A0%80", "%C0%80", "%0D%0A", "%2E%2E%2F", "%F4%90%80%80", "\xff", "%")


@each("odd", ODD_BYTES)
def test_odd_bytes_in_an_address_are_survived(call: Call, api: ApiClient, odd: str) -> None:
    token = api._credentials["HTTP_AUTHORIZATION"]
    decoded = unquote_to_bytes(odd.encode("latin-1")).decode("latin-1")
    for path in ("/market/price/", "/market/candles/", "/account/", "/orders/", "/static/", "/"):
        answer = call("GET", path + decoded, HTTP_AUTHORIZATION=token)
        assert answer.status_code in {400, 404}, path
    for path in ("/orders", "/kpi/history", "/market/candles/X", "/schema", "/health"):
        answer = call("GET", path, f"symbol={odd}&{odd}={odd}", HTTP_AUTHORIZATION=token)
        assert answer.status_code in {200, 400, 404}, path


@each("scheme", ["bearer", "BEARER", "bEaReR"])
def test_the_scheme_of_a_token_has_no_case(api: ApiClient, call: Call, scheme: str) -> None:
    token = api._credentials["HTTP_AUTHORIZATION"].removeprefix("Bearer ")
    assert call("GET", "/account/me", HTTP_AUTHORIZATION=f"{scheme} {token}").status_code == 200
    assert call("GET", "/account/me", HTTP_AUTHORIZATION=f"{scheme}{token}").status_code == 401
    answer = call("GET", "/account/me", HTTP_AUTHORIZATION=f"{scheme} {token} x")
    assert answer.json()["code"] == "bad_authorization_header"


@each("accept", ["text/html", "x/y", "application/openmetrics-text", ";;", "*"])
def test_a_probe_is_answered_whatever_it_accepts(call: Call, accept: str) -> None:
    assert call("GET", "/health", HTTP_ACCEPT=accept).json()["database"] == "ok"
    assert b"api_requests_total" in call("GET", "/metrics", HTTP_ACCEPT=accept).content


def test_no_query_parameter_chooses_a_format(call: Call, api: ApiClient) -> None:
    token = api._credentials["HTTP_AUTHORIZATION"]
    for path in ("/health", "/metrics", "/schema", "/docs"):
        answer = call("GET", path, "format=x", HTTP_AUTHORIZATION=token)
        assert answer.status_code == 200, path
    for path in ("/orders", "/account/me"):
        answer = call("GET", path, "format=x", HTTP_AUTHORIZATION=token)
        assert (answer.status_code, answer.json()["code"]) == (400, "unknown_parameter"), path


CHUNKED = {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_TYPE": "application/json"}
TOKEN_REQUEST = b'{"api_key": "none"}'


def test_a_body_without_a_known_end_is_not_taken_for_an_empty_one(call: Call) -> None:
    answer = call("POST", "/auth/token", "", TOKEN_REQUEST, **CHUNKED)
    assert (answer.status_code, answer.json()["code"]) == (411, "length_required")


@each("query", ["", "version=%0a", "version=9", "lang=de", "lang=%0a&format=x"])
def test_the_schema_is_the_same_for_everybody(call: Call, query: str) -> None:
    first, answer = call("GET", "/schema"), call("GET", "/schema", query)
    assert (answer.status_code, answer.content) == (200, first.content)
    assert answer.headers == first.headers | {"X-Request-ID": answer.headers["X-Request-ID"]}
    as_json = call("GET", "/schema", query, HTTP_ACCEPT="application/json")
    info = json.loads(as_json.content)["info"]
    assert (info["title"], info["version"]) == ("Exchange POC", settings.VERSION)
    assert info["description"].startswith("A research simulation of a regulated crypto exchange.")


def test_the_schema_is_read_without_a_header_in_either_format(call: Call) -> None:
    as_json = call("GET", "/schema", "format=json")
    assert json.loads(as_json.content)["openapi"].startswith("3.")
    assert call("GET", "/schema", "format=yaml").content.startswith(b"openapi: 3.")


@each("method", ["OPTIONS", "POST", "DELETE", "PATCH", "TRACE", "ODD"])
@each("path", ["/docs", "/schema"])
def test_the_docs_are_only_read(call: Call, path: str, method: str) -> None:
    answer = call(method, path)
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


def test_a_path_that_was_asked_for_leads_where_it_did(call: Call) -> None:
    long = f"/orders/{'1' * 200}"
    for _ in range(2):
        seen = [call("GET", path) for path in ("/health", "/orders/1", "/orders/2", long, "/no")]
        assert [answer.status_code for answer in seen] == [200, 401, 401, 401, 404]
        assert seen[0].json()["status"]
