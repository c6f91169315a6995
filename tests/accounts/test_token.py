"""An API key opens the door exactly as long as it and its user are live."""

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
import time_machine
from django.conf import settings

from accounts.keys import issue_api_key, revoke_api_key
from accounts.models import ApiKey, User
from tests.conftest import ApiClient
from tests.each import each


@pytest.fixture
def issued(user: User) -> tuple[ApiKey, str]:
    return issue_api_key(reason="A test", user=user)


def with_token(token: str) -> ApiClient:
    client = ApiClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


def token_for(client: ApiClient, key: str) -> str:
    return client.post("/auth/token", {"api_key": key}).json()["access_token"]


def test_a_key_buys_a_token_that_is_accepted(
    anonymous: ApiClient, issued: tuple[ApiKey, str]
) -> None:
    answer = anonymous.post("/auth/token", {"api_key": issued[1]})
    assert answer.status_code == 200
    assert set(answer.json()) == {"access_token", "token_type", "expires_in"}
    assert (answer.json()["token_type"], answer.json()["expires_in"]) == ("bearer", 3600)
    assert answer["Cache-Control"] == "no-store"
    assert with_token(answer.json()["access_token"]).get("/market/ready").status_code == 200


def test_an_unknown_key_is_refused(anonymous: ApiClient) -> None:
    answer = anonymous.post("/auth/token", {"api_key": "nobody-key"})
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_api_key")


@each(
    "body",
    [
        {},
        {"api_key": ""},
        {"api_key": None},
        {"api_key": "with\0nul"},
        {"api_key": "x" * 201},
        {"api_key": ["beginner-key"]},
        {"api_key": {"$gt": ""}},
        {"api_key": True},
        {"api_key": 1.5},
        [],
        "beginner-key",
        None,
    ],
)
def test_a_bad_body_is_a_validation_error(anonymous: ApiClient, body: Any) -> None:
    answer = anonymous.post("/auth/token", body)
    assert answer.status_code == 400
    assert answer.json()["code"] == "validation_error"
    assert answer.json()["errors"]


@each("raw", [b'{"api_key": "\\ud800"}', b"{", b"\xff", b'{"api_key": NaN}'])
def test_a_body_that_is_no_text_is_refused(anonymous: ApiClient, raw: bytes) -> None:
    answer = anonymous.generic("POST", "/auth/token", raw, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["code"] in {"validation_error", "parse_error"}


def test_revoking_a_key_ends_its_tokens_at_once(
    anonymous: ApiClient, issued: tuple[ApiKey, str]
) -> None:
    api_key, key = issued
    client = with_token(token_for(anonymous, key))
    assert client.get("/market/ready").status_code == 200
    revoke_api_key(reason="A test", api_key=api_key)
    refused = client.get("/market/ready")
    assert (refused.status_code, refused.json()["code"]) == (401, "token_not_valid")
    assert anonymous.post("/auth/token", {"api_key": key}).status_code == 401


def test_deactivating_a_user_ends_their_tokens_at_once(
    anonymous: ApiClient, issued: tuple[ApiKey, str], user: User
) -> None:
    client = with_token(token_for(anonymous, issued[1]))
    user.is_active = False
    user.save(update_fields=["is_active"])
    assert client.get("/market/ready").status_code == 401
    assert anonymous.post("/auth/token", {"api_key": issued[1]}).status_code == 401


def test_a_token_expires_after_an_hour_to_the_second(
    anonymous: ApiClient, issued: tuple[ApiKey, str]
) -> None:
    token = token_for(anonymous, issued[1])
    end = datetime.fromtimestamp(claims(token)["exp"], UTC)
    for moment, status in ((end - timedelta(seconds=1), 200), (end, 401)):
        with time_machine.travel(moment, tick=False):
            answer = with_token(token).get("/market/ready")
        assert answer.status_code == status
    assert answer.json()["code"] == "token_not_valid"


def claims(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


@each(
    ("change", "secret", "algorithm"),
    [
        ({}, "another secret of at least thirty-two bytes", "HS256"),
        ({}, "", "none"),
        ({"key_id": None}, settings.SECRET_KEY, "HS256"),
        ({"key_id": "1"}, settings.SECRET_KEY, "HS256"),
        ({"key_id": 10**30}, settings.SECRET_KEY, "HS256"),
        ({"user_id": "0"}, settings.SECRET_KEY, "HS256"),
        ({"token_type": "refresh"}, settings.SECRET_KEY, "HS256"),
    ],
)
def test_a_tampered_token_is_refused(
    anonymous: ApiClient,
    issued: tuple[ApiKey, str],
    change: dict[str, Any],
    secret: str,
    algorithm: str,
) -> None:
    payload = claims(token_for(anonymous, issued[1])) | change
    forged = jwt.encode(payload, secret, algorithm=algorithm)
    assert with_token(forged).get("/market/ready").status_code == 401


@each("header", ["Bearer", "Bearer a b", "Bearer \xff", "Basic YTpi", "junk"])
def test_a_malformed_header_is_refused(anonymous: ApiClient, header: str) -> None:
    anonymous.credentials(HTTP_AUTHORIZATION=header)
    answer = anonymous.get("/market/ready")
    assert answer.status_code == 401
    assert set(answer.json()) == {"detail", "code"}
    assert answer["WWW-Authenticate"].startswith("Bearer")
