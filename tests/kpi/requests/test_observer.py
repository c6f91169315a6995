"""Every request leaves one log line and one observation, and neither can break it."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import prometheus_client
import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from prometheus_client import REGISTRY
from structlog.stdlib import ProcessorFormatter

from accounts.models import User
from exchange_poc.urls import handler404, handler500
from exchange_poc.urls import urlpatterns as real_urls
from kpi.requests.metrics import UNMATCHED
from tests.conftest import ApiClient
from tests.each import each


def fail(request: HttpRequest, secret: str) -> HttpResponse:
    raise LookupError("a fault of ours")


urlpatterns = [*real_urls, path("fail/<str:secret>", fail)]
__all__ = ["handler404", "handler500", "urlpatterns"]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO)
    return caplog


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What the configured handler of the root logger writes, formatter and all."""
    root, stream = logging.getLogger(), io.StringIO()
    [handler] = [h for h in root.handlers if isinstance(h.formatter, ProcessorFormatter)]
    previous = handler.setStream(stream)
    yield stream
    handler.setStream(previous)


def json_lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def request_lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    structured = (record.msg for record in caplog.records if isinstance(record.msg, dict))
    return [line for line in structured if line["event"] == "request"]


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_a_request_is_one_line_with_who_what_and_how(
    api: ApiClient, user: User, lines: pytest.LogCaptureFixture
) -> None:
    answer = api.get("/kpi/security?signature=s3cr3t")
    [line] = request_lines(lines)
    assert line["latency_ms"] > 0
    assert {key: line[key] for key in ("method", "endpoint", "status", "user_id", "key_id")} == {
        "method": "GET",
        "endpoint": "/kpi/security",
        "status": 400,
        "user_id": user.pk,
        "key_id": user.api_keys.get().pk,
    }
    assert line["request_id"] == answer["X-Request-ID"]
    assert "s3cr3t" not in lines.text


def test_the_line_is_json(anonymous: ApiClient, written: io.StringIO) -> None:
    anonymous.get("/kpi/security")
    [line] = json_lines(written)
    assert (line["event"], line["level"], line["status"]) == ("request", "info", 401)
    assert line["timestamp"].endswith("Z")


def test_no_credential_reaches_the_log(
    anonymous: ApiClient, lines: pytest.LogCaptureFixture
) -> None:
    anonymous.post("/auth/token", {"api_key": "s3cr3t-key"})
    anonymous.get("/kpi/security", HTTP_AUTHORIZATION="Bearer s3cr3t-token")
    anonymous.get("/s3cr3t-path")
    assert len(request_lines(lines)) == 3
    assert "s3cr3t" not in lines.text


def test_the_console_session_names_the_user(
    admin_client: Client, admin_user: User, lines: pytest.LogCaptureFixture
) -> None:
    assert admin_client.get("/admin/").status_code == 200
    [line] = request_lines(lines)
    assert (line["endpoint"], line["user_id"]) == ("/admin/", admin_user.pk)


@each(
    ("asked", "kept"),
    [
        ("order-17_a.b:c", True),
        ("x" * 64, True),
        ("x" * 65, False),
        ("", False),
        ('forged", "level": "error', False),
        ("line\nbreak", False),
    ],
)
def test_a_sane_request_id_is_kept(anonymous: ApiClient, asked: str, kept: bool) -> None:
    answered = anonymous.get("/kpi/security", HTTP_X_REQUEST_ID=asked)["X-Request-ID"]
    assert (answered == asked) is kept
    assert len(answered) <= 64


@each(
    ("url", "endpoint", "status"),
    [
        ("/account/17", "/account/{user_id}", 401),
        ("/a/path/nobody/knows", UNMATCHED, 404),
        ("/another/one", UNMATCHED, 404),
        ("/static/nothing.css", "/static/{path}", 404),
        ("/admin/no/such/page/", "/admin/{path}", 302),
    ],
)
def test_labels_are_route_templates(
    anonymous: ApiClient, url: str, endpoint: str, status: int
) -> None:
    labels = {"method": "GET", "endpoint": endpoint}
    requests = counted("api_requests_total", status=str(status), **labels)
    errors = counted("api_error_total", endpoint=endpoint, status=str(status))
    observed = counted("api_request_latency_seconds_count", **labels)
    assert anonymous.get(url).status_code == status
    assert counted("api_requests_total", status=str(status), **labels) == requests + 1
    failed = int(status >= 400)
    assert counted("api_error_total", endpoint=endpoint, status=str(status)) == errors + failed
    assert counted("api_request_latency_seconds_count", **labels) == observed + 1


@each(
    ("method", "label"),
    [("BREW", "OTHER"), ("OPTIONS", "OTHER"), ("DELETE", "OTHER"), ("HEAD", "GET")],
)
def test_only_methods_that_routes_serve_make_a_label(
    anonymous: ApiClient, method: str, label: str
) -> None:
    labels = {"method": label, "endpoint": "/kpi/security", "status": "401"}
    before = counted("api_requests_total", **labels)
    anonymous.generic(method, "/kpi/security")
    assert counted("api_requests_total", **labels) == before + 1


def test_refused_credentials_are_counted_by_code(anonymous: ApiClient) -> None:
    before = counted("auth_failures_total", code="invalid_api_key")
    anonymous.post("/auth/token", {"api_key": "guess"})
    assert counted("auth_failures_total", code="invalid_api_key") == before + 1


def test_reached_limits_are_counted_by_scope(api: ApiClient, settings: Any) -> None:
    settings.API_RATE_LIMIT, settings.TOKEN_RATE_LIMIT = "1/d", "1/d"
    before = {scope: counted("rate_limit_hits_total", scope=scope) for scope in ("api", "token")}
    for _ in range(3):
        api.get("/kpi/security")
    for _ in range(2):
        api.post("/auth/token", {"api_key": "guess"})
    assert counted("rate_limit_hits_total", scope="api") == before["api"] + 2
    assert counted("rate_limit_hits_total", scope="token") == before["token"] + 1


@pytest.mark.urls(__name__)
def test_a_fault_of_ours_is_one_line_and_one_traceback(
    anonymous: ApiClient, lines: pytest.LogCaptureFixture
) -> None:
    anonymous.raise_request_exception = False
    answer = anonymous.get("/fail/s3cr3t")
    assert (answer.status_code, answer.json()["code"]) == (500, "server_error")
    [line] = request_lines(lines)
    assert (line["endpoint"], line["status"]) == ("/fail/{secret}", 500)
    tracebacks = [record for record in lines.records if record.exc_info]
    assert [record.exc_info[0] for record in tracebacks] == [LookupError]


@pytest.mark.urls(__name__)
def test_the_traceback_carries_the_request_id(anonymous: ApiClient, written: io.StringIO) -> None:
    anonymous.raise_request_exception = False
    answer = anonymous.get("/fail/now")
    lines = json_lines(written)
    [traceback] = [line for line in lines if "exception" in line]
    assert "a fault of ours" in traceback["exception"]
    assert traceback["request_id"] == answer["X-Request-ID"]
    assert len(lines) == 2


def test_a_fault_in_the_page_of_an_error_has_its_traceback_too(
    anonymous: ApiClient, written: io.StringIO, settings: Any
) -> None:
    anonymous.raise_request_exception = False
    settings.TEMPLATES = []
    answer = anonymous.get("/admin/a%0ab")
    assert (answer.status_code, answer.json()["code"]) == (500, "server_error")
    traceback, line = json_lines(written)
    assert "admin/404.html" in traceback["exception"]
    assert line["status"] == 500
    assert traceback["request_id"] == line["request_id"] == answer["X-Request-ID"]


def refuse(*args: Any, **kwargs: Any) -> None:
    raise OSError("no space left on device")


def test_a_failing_metric_does_not_break_the_request(
    api: ApiClient, monkeypatch: pytest.MonkeyPatch, lines: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(prometheus_client.Histogram, "observe", refuse)
    assert api.get("/kpi/security").status_code == 200
    assert len(request_lines(lines)) == 1
    assert "no space left" in lines.text


def test_a_failing_log_does_not_break_the_request(
    api: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.Logger, "handle", refuse)
    assert api.get("/kpi/security").status_code == 200
