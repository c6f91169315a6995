"""Every refusal is JSON with a sentence and a code, wherever it comes from."""

import pytest
from django.db import ProgrammingError, connection
from django.test import Client

from accounts.models import User
from tests.conftest import ApiClient
from tests.each import each


def test_an_unknown_path_is_json(anonymous: ApiClient) -> None:
    answer = anonymous.get("/nowhere")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_an_unknown_host_is_json(anonymous: ApiClient) -> None:
    answer = anonymous.get("/health", HTTP_HOST="elsewhere.example")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


def test_a_wrong_method_is_json(api: ApiClient) -> None:
    answer = api.delete("/kpi/system")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer["Allow"] == "GET, HEAD, OPTIONS"
    assert api.delete("/orders")["Allow"] == "GET, POST, HEAD, OPTIONS"
    assert api.options("/orders")["Allow"] == "GET, POST, HEAD, OPTIONS"
    assert api.delete("/auth/token")["Allow"] == "POST, OPTIONS"


def test_a_wrong_content_type_is_json(anonymous: ApiClient) -> None:
    answer = anonymous.post("/auth/token", "api_key=x", content_type="text/plain")
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


def test_a_body_too_large_is_refused(anonymous: ApiClient) -> None:
    body = b'{"api_key": "' + b"x" * 1_100_000 + b'"}'
    answer = anonymous.generic("POST", "/auth/token", body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


@pytest.mark.usefixtures("collector_at_rest")
@each(
    "body",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b'{"a": 1, "a": 2}',
        b'{"a": Infinity}',
        b'{"a": ' + b"9" * 5_000 + b"}",
        b"\xff\xfe",
    ],
)
def test_a_body_that_is_no_exact_json_is_refused(anonymous: ApiClient, body: bytes) -> None:
    answer = anonymous.generic("POST", "/auth/token", body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["code"] in {"parse_error", "validation_error"}


def test_what_a_page_raises_is_logged_once_with_its_traceback(
    db: None, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    client.force_login(User.objects.create_superuser("root"))
    client.raise_request_exception = False
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE accounts_ratelimit RENAME TO elsewhere")
    answer = client.get("/admin/accounts/ratelimit/")
    assert (answer.status_code, answer.json()["code"]) == (500, "server_error")
    [logged] = [one for one in caplog.records if one.name == "django.request"]
    assert logged.exc_info
    assert logged.exc_info[0] is ProgrammingError
