"""A key opens what its scopes, expiry and networks say, at the token endpoint and at each call."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

import pytest
import time_machine
from hypothesis import assume, given
from hypothesis import strategies as st
from pytest_django import Settings
from structlog.testing import capture_logs

from accounts.authentication import issue_token
from accounts.errors import (
    ExpiryPassed,
    InvalidNetworks,
    InvalidOverlap,
    KeyExpired,
    KeyReplaced,
    KeyRevoked,
    NetworkNotAllowed,
    ScopeMissing,
)
from accounts.key_terms import KeyTerms
from accounts.keys import change_key_terms, issue_api_key, revoke_api_key, rotate_api_key
from accounts.models import ApiKey, User
from accounts.networks import MOST_NETWORKS, allow, checked_networks
from accounts.selectors import count_active_keys
from kpi.audit.models import AuditRecord
from market.kernel.errors import StaleVersion
from tests.conftest import ApiClient
from tests.each import each
from tests.system.security.test_api2_authentication import PROTECTED

PROXY, HOME, ELSEWHERE = "10.0.0.2", "192.0.2.7", "198.51.100.1"
END = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def key_with(user: User, **terms: Any) -> tuple[ApiKey, str]:
    return issue_api_key(user=user, reason="A test", terms=KeyTerms(**terms))


def client_with(key: ApiKey) -> ApiClient:
    client = ApiClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {issue_token(key)}")
    return client


def set_terms(key: ApiKey, **terms: Any) -> None:
    change_key_terms(api_key=key, reason="A test", terms=KeyTerms(**terms))


def code_of(answer: Any) -> tuple[int, str | None]:
    return answer.status_code, answer.json().get("code") if answer.status_code >= 400 else None


# Scopes.


def test_a_key_that_reads_changes_nothing_at_any_address(user: User, settings: Settings) -> None:
    """The inventory of all addresses (API9) holds PROTECTED to be all that want a token."""
    settings.API_RATE_LIMIT = None
    client = client_with(key_with(user, scopes="read")[0])
    refused = (403, "scope_missing")
    methods = ("get", "head", "options", "post", "put", "patch", "delete")
    paths = {path for _, path in PROTECTED}
    told = {(method, path): getattr(client, method)(path) for path in paths for method in methods}
    for (method, path), answer in told.items():
        reads = method in {"get", "head", "options"}
        is_refused = answer.status_code == 403 and b"scope_missing" in answer.content
        assert is_refused is not reads, (method, path, answer.status_code)
    assert code_of(told["post", "/orders"]) == refused
    assert told["post", "/orders"].json()["scope"] == "trade"
    assert client.post("/orders/batch", {"orders": []}).status_code == 403
    assert client.get("/market/tick", headers={"X-HTTP-Method-Override": "POST"}).status_code == 405


def test_scopes_change_for_tokens_that_there_are(user: User) -> None:
    key, _ = key_with(user)
    client = client_with(key)
    assert client.post("/orders/cancel-all").status_code == 200
    set_terms(key, scopes="read")
    assert code_of(client.post("/orders/cancel-all")) == (403, "scope_missing")
    assert client.get("/orders").status_code == 200
    set_terms(key)
    assert client.post("/orders/cancel-all").status_code == 200


# Expiry.


def test_a_key_ends_at_the_instant_of_its_expiry(user: User, anonymous: ApiClient) -> None:
    with time_machine.travel(END - timedelta(minutes=1), tick=False) as clock:
        key, clear = key_with(user, expires_at=END)
        client = client_with(key)
        asked = anonymous.post("/auth/token", {"api_key": clear})
        assert (asked.status_code, asked.json()["expires_in"]) == (200, 60)
        clock.move_to(END - SECOND / 1000)
        assert anonymous.post("/auth/token", {"api_key": clear}).status_code == 200
        assert client.get("/orders").status_code == 200
        assert count_active_keys() == 1
        key.refresh_from_db()
        used = key.last_used_at
        for late in (timedelta(0), timedelta(days=3)):
            clock.move_to(END + late)
            for answer in (
                anonymous.post("/auth/token", {"api_key": clear}),
                client_with(key).get("/orders"),
                client_with(key).get("/stream"),
            ):
                assert code_of(answer) == (401, "key_expired")
                assert answer["WWW-Authenticate"].startswith("Bearer")
        assert count_active_keys() == 0
        key.refresh_from_db()
        assert key.last_used_at == used
        revoke_api_key(api_key=key, reason="A test")
        refused = anonymous.post("/auth/token", {"api_key": clear})
        assert code_of(refused) == (401, "invalid_api_key")


# Networks.


@each(
    ("networks", "address", "status"),
    [
        ([], ELSEWHERE, 200),
        (["192.0.2.0/24"], HOME, 200),
        (["192.0.2.0/24"], "192.0.2.255", 200),
        (["192.0.2.0/24"], "192.0.3.0", 403),
        (["192.0.2.7"], HOME, 200),
        (["192.0.2.7"], "192.0.2.8", 403),
        (["0.0.0.0/0"], ELSEWHERE, 200),
        (["0.0.0.0/0"], "2001:db8::1", 403),
        (["::/0"], "2001:db8::1", 200),
        (["::/0"], HOME, 403),
        (["2001:db8::/32", "192.0.2.0/24"], HOME, 200),
        # IPv4 in the guise of IPv6, of the client and of the network.
        (["192.0.2.0/24"], "::ffff:192.0.2.7", 200),
        (["192.0.2.0/24"], "::ffff:198.51.100.1", 403),
        (["::ffff:192.0.2.0/120"], HOME, 200),
        (["::ffff:192.0.2.0/120"], ELSEWHERE, 403),
        # A connection without an address is in no network.
        (["0.0.0.0/0", "::/0"], "", 403),
    ],
)
def test_a_key_is_good_in_its_networks(
    user: User, anonymous: ApiClient, networks: list[str], address: str, status: int
) -> None:
    key, clear = key_with(user, networks=networks)
    code = "network_not_allowed" if status == 403 else None
    asked = anonymous.post("/auth/token", {"api_key": clear}, REMOTE_ADDR=address)
    assert code_of(asked) == (status, code)
    assert code_of(client_with(key).get("/orders", REMOTE_ADDR=address)) == (status, code)
    opened = client_with(key).get("/stream", REMOTE_ADDR=address)
    assert opened.status_code == (307 if code is None else 403)


def test_what_a_client_forges_opens_no_network(user: User, settings: Settings) -> None:
    settings.TRUSTED_PROXIES = [ip_network("10.0.0.0/28")]
    client = client_with(key_with(user, networks=["192.0.2.0/24"])[0])

    def status(address: str, forwarded: str) -> int:
        headers = {"REMOTE_ADDR": address, "HTTP_X_FORWARDED_FOR": forwarded}
        return client.get("/orders", **headers).status_code

    assert status(PROXY, HOME) == 200
    assert status(PROXY, f"{HOME}, {ELSEWHERE}") == 403
    assert status(ELSEWHERE, HOME) == 403
    assert status(PROXY, f"{ELSEWHERE}, {HOME}") == 200


def test_networks_are_kept_in_one_way_of_writing() -> None:
    written = [" 192.0.2.0/255.255.255.0 ", "192.0.2.0/24", "2001:DB8::/32", "192.0.2.1"]
    assert checked_networks(written) == ["192.0.2.0/24", "2001:db8::/32", "192.0.2.1/32"]
    assert len(checked_networks([f"192.0.2.{n}" for n in range(MOST_NETWORKS)])) == MOST_NETWORKS


@each(
    "flaw",
    [
        ["192.0.2.1/24"],
        ["2001:db8::1/32"],
        ["::ffff:192.0.2.1/120"],
        ["192.0.2.0/33"],
        ["somewhere"],
        ["fe80::1%eth0"],
        ["fe80::%1/64"],
        [""],
        ["*"],
        ["3221225985"],
        ["192.0.2.0/24/24"],
        ["\u0661.2.3.4"],
        ["x" * 5_000],
        [f"192.0.2.{n}" for n in range(MOST_NETWORKS + 1)],
    ],
)
def test_what_is_no_network_is_refused(user: User, flaw: list[str]) -> None:
    with pytest.raises(InvalidNetworks):
        key_with(user, networks=flaw)
    assert not user.api_keys.exists()


def test_a_refusal_says_which_network_was_meant() -> None:
    with pytest.raises(InvalidNetworks, match=r"Did you mean 192\.0\.2\.0/24\?"):
        checked_networks(["192.0.2.1/24"])


@given(st.ip_addresses(), st.integers(0, 32))
def test_an_address_is_in_its_own_network_whatever_the_prefix(address: Any, bits: int) -> None:
    assume(getattr(address, "ipv4_mapped", None) is None)
    network = str(ip_network((address, bits), strict=False))
    assert allow(checked_networks([network]), str(address))


# All of them.


def test_the_schema_tells_each_call_what_its_key_may_be_refused_for(anonymous: ApiClient) -> None:
    """What is refused is as the test of scopes above finds it: of reads no key lacks the scope."""
    errors = (KeyExpired(), NetworkNotAllowed(), ScopeMissing(scope="trade"))
    for path, calls in anonymous.get("/schema?format=json").json()["paths"].items():
        for method, call in calls.items():
            told = [
                (status, example["value"])
                for status in ("401", "403")
                for example in examples_of(call["responses"].get(status, {}))
            ]
            codes = {error.code for error in errors}
            found = [body["code"] for _, body in told if body["code"] in codes]
            assert all((str(one.status), one.body) in told for one in errors if one.code in found)
            if "security" in call:
                expected = [error.code for error in errors[: 2 if method == "get" else 3]]
                assert "token_not_valid" in {body["code"] for _, body in told}, (method, path)
            else:
                expected = ["key_expired", "network_not_allowed"] if path == "/auth/token" else []
            assert sorted(found) == expected, (method, path)


def examples_of(response: dict[str, Any]) -> list[dict[str, Any]]:
    contents = response.get("content", {}).values()
    return [example for content in contents for example in content["examples"].values()]


def test_expiry_is_told_before_the_network_and_that_before_the_scope(user: User) -> None:
    key, _ = key_with(user, scopes="read", networks=["192.0.2.0/24"])
    client = client_with(key)
    assert code_of(client.post("/orders", REMOTE_ADDR=HOME)) == (403, "scope_missing")
    assert code_of(client.post("/orders", REMOTE_ADDR=ELSEWHERE)) == (403, "network_not_allowed")
    ApiKey.objects.update(expires_at=END.replace(year=2020))
    assert code_of(client.post("/orders", REMOTE_ADDR=ELSEWHERE)) == (401, "key_expired")


def test_the_log_says_whose_key_was_refused(user: User) -> None:
    key, _ = key_with(user, networks=["192.0.2.0/24"])
    with capture_logs() as logged:
        client_with(key).get("/orders", REMOTE_ADDR=ELSEWHERE)
    [line] = [line for line in logged if line["event"] == "request"]
    assert (line["user_id"], line["key_id"]) == (user.pk, key.pk)
    assert (line["address"], line["status"]) == (ELSEWHERE, 403)


def test_terms_are_changed_with_a_reason_and_recorded(user: User) -> None:
    key, clear = key_with(user)
    staff = User.objects.create_superuser("root")
    shown = KeyTerms.of(key).version
    limited = KeyTerms("read", END, ["192.0.2.0/24", "2001:db8::/32"])
    change_key_terms(api_key=key, terms=limited, reason="Only to watch", by=staff, version=shown)
    assert KeyTerms.of(key) == KeyTerms("read", END, ("192.0.2.0/24", "2001:db8::/32"))
    changed, issued = AuditRecord.objects.filter(kind="api_key_change").order_by("-id")
    assert (changed.actor, changed.user) == (staff, user)
    assert issued.details == {
        "change": "issued",
        "label": "",
        "prefix": key.prefix,
        "reason": "A test",
    }
    assert changed.details == {
        "change": "terms changed",
        "label": "",
        "prefix": key.prefix,
        "reason": "Only to watch",
        "before": {"scopes": "read trade", "expires_at": None, "networks": ""},
        "after": {
            "scopes": "read",
            "expires_at": "2031-05-06T07:08:09+00:00",
            "networks": "192.0.2.0/24, 2001:db8::/32",
        },
    }
    with pytest.raises(StaleVersion):
        change_key_terms(api_key=key, terms=KeyTerms(), reason="A test", version=shown)
    with pytest.raises(ExpiryPassed):
        set_terms(key, expires_at=END.replace(year=2020))
    revoke_api_key(api_key=key, reason="A test")
    with pytest.raises(KeyRevoked):
        set_terms(key)
    assert AuditRecord.objects.filter(kind="api_key_change").count() == 3
    assert clear not in str(list(AuditRecord.objects.values_list("details")))


# Rotation.


def test_both_secrets_work_until_the_overlap_is_over(user: User, anonymous: ApiClient) -> None:
    def told(clear: str) -> tuple[int, str | None]:
        return code_of(anonymous.post("/auth/token", {"api_key": clear}))

    with time_machine.travel(END, tick=False) as clock:
        old, before = key_with(user, scopes="read", networks=["127.0.0.0/8"])
        new, after = rotate_api_key(
            api_key=old, overlap=timedelta(hours=2), reason="Half a year old"
        )
        assert (new.user, new.scopes, new.networks) == (user, "read", ["127.0.0.0/8"])
        assert (new.expires_at, new.replaces, before == after) == (None, old, False)
        clock.move_to(END + timedelta(hours=2) - SECOND)
        assert told(before) == told(after) == (200, None)
        late = client_with(old)
        clock.move_to(END + timedelta(hours=2))
        assert (told(before), told(after)) == ((401, "key_expired"), (200, None))
        assert code_of(late.get("/orders")) == (401, "key_expired")
        issued = AuditRecord.objects.filter(kind="api_key_change").latest("id")
        assert issued.details["replaces"] == str(old.pk)
        assert issued.details["reason"] == "Half a year old"
        assert {before, after}.isdisjoint(str(list(AuditRecord.objects.values_list("details"))))


def test_a_rotation_lengthens_no_life_and_brings_none_back(user: User) -> None:
    with time_machine.travel(END, tick=False):
        old, _ = key_with(user, expires_at=END + timedelta(hours=1))
        fresh, _ = rotate_api_key(api_key=old, overlap=timedelta(days=1), reason="A test")
        assert old.expires_at == END + timedelta(hours=1)
        revoke_api_key(api_key=fresh, reason="Nobody noted it down")
        rotate_api_key(api_key=old, overlap=timedelta(0), reason="Leaked")
        assert code_of(client_with(old).get("/orders")) == (401, "key_expired")
        for overlap in (-SECOND, timedelta(days=30) + SECOND):
            with pytest.raises(InvalidOverlap):
                rotate_api_key(api_key=old, overlap=overlap, reason="A test")
        revoke_api_key(api_key=old, reason="A test")
        with pytest.raises(KeyRevoked):
            rotate_api_key(api_key=old, overlap=timedelta(0), reason="A test")
        assert user.api_keys.count() == 3


def test_a_rotation_sent_twice_issues_one_key(user: User) -> None:
    def rotate(version: str | None = None) -> ApiKey:
        overlap = timedelta(days=1)
        return rotate_api_key(api_key=old, overlap=overlap, reason="A test", version=version)[0]

    with time_machine.travel(END, tick=False) as clock:
        # The expiry is before the end of the overlap, so that the terms stay as they are.
        old, _ = key_with(user, expires_at=END + timedelta(hours=1))
        shown = KeyTerms.of(old).version
        fresh = rotate(shown)
        assert KeyTerms.of(old).version == shown
        with pytest.raises(KeyReplaced):
            rotate(shown)
        assert list(user.api_keys.values_list("pk", flat=True)) == [fresh.pk, old.pk]
        set_terms(fresh, expires_at=END + SECOND)
        clock.move_to(END + SECOND)
        set_terms(old, scopes="read")
        with pytest.raises(StaleVersion):
            rotate(shown)
        assert rotate(KeyTerms.of(old).version).scopes == "read"
