"""API2: only a live key's own, untouched and timely token opens the door."""

import base64
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
import time_machine
from django.conf import settings
from django.test import Client
from django.urls import resolve

from accounts.authentication import issue_token
from accounts.console_login import limited_login
from accounts.keys import issue_api_key, revoke_api_key
from accounts.models import ApiKey, User
from tests.conftest import ApiClient
from tests.each import each

#: Every call that needs a token, of any kind; the inventory shows that there is no other.
PROTECTED = (
    ("get", "/account/1"),
    ("get", "/account/ledger"),
    ("get", "/account/limits"),
    ("get", "/account/me"),
    ("get", "/audit"),
    ("get", "/kpi/history"),
    ("get", "/kpi/security"),
    ("get", "/kpi/system"),
    ("get", "/stream"),
    ("get", "/kpi/trading"),
    ("get", "/lab/studies"),
    ("get", "/lab/studies/1"),
    ("get", "/lab/studies/1/cells"),
    ("get", "/liquidations"),
    ("get", "/market/candles/BTCUSDT"),
    ("get", "/market/instruments"),
    ("get", "/market/price/BTCUSDT"),
    ("get", "/market/prices"),
    ("post", "/market/tick"),
    ("get", "/market/ready"),
    ("post", "/market/ready"),
    ("get", "/orders"),
    ("post", "/orders"),
    ("post", "/orders/batch"),
    ("get", "/orders/1"),
    ("post", "/orders/cancel-all"),
    ("post", "/orders/1/cancel"),
    ("get", "/positions"),
    ("get", "/positions/1"),
    ("post", "/positions/BTCUSDT/close"),
    ("get", "/trades"),
)


@pytest.fixture
def api_key(user: User) -> ApiKey:
    return issue_api_key(reason="A test", user=user)[0]


def status_with(token: str) -> int:
    client = ApiClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client.get("/kpi/security").status_code


def claims(api_key: ApiKey, **changes: Any) -> dict[str, Any]:
    return {**jwt.decode(issue_token(api_key), options={"verify_signature": False}), **changes}


def forged(header: dict[str, Any], payload: dict[str, Any], signature: bytes = b"") -> str:
    parts = (json.dumps(header).encode(), json.dumps(payload).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


@each(("method", "path"), PROTECTED)
def test_every_protected_call_wants_a_token(anonymous: ApiClient, method: str, path: str) -> None:
    answer = getattr(anonymous, method)(path)
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
    bad = {"Authorization": "Bearer of.no.token"}
    assert getattr(anonymous, method)(path, headers=bad).status_code == 401


def test_a_console_session_is_no_token(db: None) -> None:
    """Nothing that a browser sends by itself authenticates, so that there is no CSRF."""
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    assert client.get("/account/me").status_code == 401
    assert client.post("/orders", {}, content_type="application/json").status_code == 401


@each("algorithm", ["none", "None", "NONE", "nOnE"])
def test_an_unsigned_token_is_refused(api_key: ApiKey, algorithm: str) -> None:
    assert status_with(issue_token(api_key)) == 200
    assert status_with(forged({"alg": algorithm, "typ": "JWT"}, claims(api_key))) == 401


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_another_algorithm_with_the_right_key_is_refused(api_key: ApiKey, algorithm: str) -> None:
    token = jwt.encode(claims(api_key), settings.SECRET_KEY, algorithm=algorithm)
    assert status_with(token) == 401


@each("algorithm", ["RS256", "ES256", "HS256"])
def test_a_key_that_the_token_brings_along_is_refused(api_key: ApiKey, algorithm: str) -> None:
    """Neither one in its header nor one that the header points at."""
    header = {"alg": algorithm, "typ": "JWT", "kid": "../../dev/null", "jku": "http://127.0.0.1:1/"}
    header |= {"jwk": {"kty": "oct", "k": ""}, "x5u": "http://127.0.0.1:1/"}
    assert status_with(signed(claims(api_key), key=b"", header=header)) == 401
    assert status_with(forged(header, claims(api_key), b"x" * 256)) == 401


@each("algorithm", ["RS256", "ES256", "PS256"])
def test_the_right_key_as_a_public_one_is_refused(api_key: ApiKey, algorithm: str) -> None:
    assert status_with(signed(claims(api_key), header={"alg": algorithm, "typ": "JWT"})) == 401


def test_a_token_with_one_bit_changed_is_refused(api_key: ApiKey) -> None:
    head, body, signature = issue_token(api_key).split(".")
    for place in (0, len(signature) // 2):
        other = "A" if signature[place] != "A" else "B"
        changed = signature[:place] + other + signature[place + 1 :]
        assert status_with(f"{head}.{body}.{changed}") == 401
    assert status_with(f"{head}.{body}.") == 401
    assert status_with(f"{head}.{body}") == 401


def test_claims_of_somebody_else_are_refused(api_key: ApiKey) -> None:
    other = User.objects.create_user("other")
    for change in (
        {"user_id": str(other.pk)},
        {"user_id": None},
        {"key_id": api_key.pk + 1},
        {"key_id": api_key.pk + 0.5},
        {"key_id": str(api_key.pk)},
        {"key_id": [api_key.pk]},
        {"key_id": {"gt": 0}},
        {"key_id": 10**30},
        {"key_id": -1},
        {"exp": "never"},
        {"exp": -1},
        {"exp": None},
        {"token_type": "refresh"},
    ):
        assert status_with(signed(claims(api_key, **change))) == 401, change


def signed(
    payload: dict[str, Any], *, key: bytes | None = None, header: dict[str, Any] | None = None
) -> str:
    """Sign with HMAC-SHA256 what PyJWT itself would not encode."""
    text = forged(header or {"alg": "HS256", "typ": "JWT"}, payload).rstrip(".")
    secret = settings.SECRET_KEY.encode() if key is None else key
    signature = hmac.new(secret, text.encode(), "sha256").digest()
    return f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def test_a_token_without_an_end_is_refused(api_key: ApiKey) -> None:
    payload = claims(api_key)
    del payload["exp"]
    assert status_with(signed(claims(api_key))) == 200
    assert status_with(signed(payload)) == 401


def test_an_expired_token_is_refused(api_key: ApiKey) -> None:
    token = issue_token(api_key)
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=3601)):
        assert status_with(token) == 401


def test_rotating_a_key_ends_the_tokens_of_the_old_one_alone(user: User, api_key: ApiKey) -> None:
    token, fresh = issue_token(api_key), issue_token(issue_api_key(reason="A test", user=user)[0])
    revoke_api_key(reason="A test", api_key=api_key)
    assert (status_with(token), status_with(fresh)) == (401, 200)


def test_a_token_of_a_deleted_key_is_refused(user: User, api_key: ApiKey) -> None:
    """A later key gets another number, so that no token changes hands."""
    token = issue_token(api_key)
    api_key.delete()
    issue_api_key(reason="A test", user=user)
    assert status_with(token) == 401


def test_a_token_is_good_for_nothing_else(api_key: ApiKey, anonymous: ApiClient) -> None:
    token = issue_token(api_key)
    assert anonymous.get(f"/kpi/security?token={token}&access_token={token}").status_code == 401
    anonymous.cookies["access_token"] = token
    assert anonymous.get("/kpi/security").status_code == 401
    answer = anonymous.get("/admin/", HTTP_AUTHORIZATION=f"Bearer {token}")
    assert answer.status_code == 302


def test_keys_are_neither_stored_nor_listed_in_clear(user: User) -> None:
    row, clear = issue_api_key(reason="A test", user=user)
    assert clear not in json.dumps({f.name: str(getattr(row, f.name)) for f in row._meta.fields})
    assert len(clear) >= 43  # 256 random bits


def test_an_unknown_key_and_a_revoked_one_look_the_same(anonymous: ApiClient, user: User) -> None:
    row, clear = issue_api_key(reason="A test", user=user)
    revoke_api_key(reason="A test", api_key=row)
    answers = [
        anonymous.post("/auth/token", {"api_key": key}).json() for key in (clear, "xp_unknown")
    ]
    assert answers[0] == answers[1]


def test_guessing_keys_ends_in_429_and_stays_there(anonymous: ApiClient, user: User) -> None:
    """Also with the right key: a guesser learns nothing from then on."""
    _, clear = issue_api_key(reason="A test", user=user)
    with time_machine.travel(datetime.now(UTC), tick=False):
        statuses = [
            anonymous.post("/auth/token", {"api_key": f"guess{n}"}).status_code for n in range(12)
        ]
        assert statuses == [401] * 10 + [429] * 2
        answer = anonymous.post("/auth/token", {"api_key": clear})
    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    assert int(answer["Retry-After"]) > 0


@each(
    "header", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Client-IP", "True-Client-IP", "Via"]
)
def test_a_claimed_address_does_not_evade_the_limit(anonymous: ApiClient, header: str) -> None:
    with time_machine.travel(datetime.now(UTC), tick=False):
        statuses = [
            anonymous.post(
                "/auth/token", {"api_key": "x"}, headers={header: f"203.0.113.{n}"}
            ).status_code
            for n in range(11)
        ]
    assert statuses == [401] * 10 + [429]


def test_the_console_logs_in_through_the_limited_view_alone() -> None:
    """tests/accounts/test_console_login.py shows its limit."""
    assert resolve("/admin/login/").func is limited_login
