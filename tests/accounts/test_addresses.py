"""Behind trusted proxies each client has its own address; what a client forges changes nothing."""

from datetime import UTC, datetime
from ipaddress import ip_network

import pytest
import time_machine
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from pytest_django import Settings
from structlog.testing import capture_logs

from exchange_poc.env import networks
from tests.conftest import ApiClient
from tests.each import each

PROXY = "10.0.0.2"


@pytest.fixture
def behind_proxies(settings: Settings) -> None:
    settings.TRUSTED_PROXIES = [ip_network(text) for text in ("10.0.0.0/28", "2001:db8::/64")]


def address_of(client: ApiClient, connection: str, forwarded: str | None) -> str:
    """Return the address in the log line of a request."""
    headers = {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}
    with capture_logs() as logged:
        client.get("/nowhere", REMOTE_ADDR=connection, **headers)
    [line] = [line for line in logged if line["event"] == "request"]
    return str(line["address"])


@pytest.mark.usefixtures("behind_proxies")
@each(
    ("connection", "forwarded", "address"),
    [
        (PROXY, "192.0.2.1", "192.0.2.1"),
        # The rightmost address that is not trusted, whatever stands left of it.
        (PROXY, "198.51.100.7, 192.0.2.1", "192.0.2.1"),
        (PROXY, "198.51.100.7,192.0.2.1 , 10.0.0.3", "192.0.2.1"),
        (PROXY, "10.0.0.4, 192.0.2.1", "192.0.2.1"),
        (PROXY, "192.0.2.1, 2001:DB8::1, 10.0.0.3", "192.0.2.1"),
        (PROXY, "2001:DB8:1::0001", "2001:db8:1::1"),
        # Nobody but proxies: the one that was first.
        (PROXY, "10.0.0.4, 10.0.0.3", "10.0.0.4"),
        (PROXY, None, PROXY),
        # What is no address is believed no further.
        (PROXY, "", PROXY),
        (PROXY, "192.0.2.1, unknown", PROXY),
        (PROXY, "192.0.2.1, 10.0.0.3:80", PROXY),
        (PROXY, "192.0.2.1,", PROXY),
        # Not from a trusted proxy: nothing in the header counts.
        ("192.0.2.66", "198.51.100.7", "192.0.2.66"),
        ("10.0.0.16", "198.51.100.7", "10.0.0.16"),
        # IPv4 in the guise of IPv6, and a connection without an address.
        ("::ffff:10.0.0.2", "::ffff:192.0.2.1", "192.0.2.1"),
        ("", "192.0.2.1", "unknown"),
    ],
)
def test_the_rightmost_untrusted_address_counts(
    anonymous: ApiClient, connection: str, forwarded: str | None, address: str
) -> None:
    assert address_of(anonymous, connection, forwarded) == address


def test_by_default_no_proxy_is_trusted(anonymous: ApiClient) -> None:
    assert address_of(anonymous, "127.0.0.1", "192.0.2.1") == "127.0.0.1"


@pytest.mark.usefixtures("behind_proxies")
def test_token_requests_are_limited_per_client_behind_a_proxy(anonymous: ApiClient) -> None:
    def ask(forwarded: str) -> int:
        return anonymous.post(
            "/auth/token",
            {"api_key": "guess"},
            REMOTE_ADDR=PROXY,
            HTTP_X_FORWARDED_FOR=forwarded,
        ).status_code

    with time_machine.travel(datetime.now(UTC), tick=False):
        statuses = [ask(f"198.51.100.{forged}, 192.0.2.1") for forged in range(11)]
        assert statuses == [401] * 10 + [429]
        assert ask("192.0.2.2") == 401


@pytest.mark.usefixtures("behind_proxies")
def test_logins_are_limited_per_client_behind_a_proxy(client: Client, db: None) -> None:
    def attempt(forwarded: str) -> int:
        body = {"username": "user", "password": "wrong"}
        headers = {"REMOTE_ADDR": PROXY, "HTTP_X_FORWARDED_FOR": forwarded}
        return client.post("/admin/login/", body, **headers).status_code

    with time_machine.travel(datetime.now(UTC), tick=False):
        statuses = [attempt(f"198.51.100.{n}, 192.0.2.1") for n in range(11)]
        assert statuses == [200] * 10 + [429]
        assert attempt("192.0.2.2") == 200


def test_networks_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUSTED_PROXIES", " 10.0.0.0/8, ,2001:db8::/32,192.0.2.1")
    assert [str(network) for network in networks("TRUSTED_PROXIES")] == [
        *("10.0.0.0/8", "2001:db8::/32", "192.0.2.1/32"),
    ]
    monkeypatch.delenv("TRUSTED_PROXIES")
    assert networks("TRUSTED_PROXIES") == []


@each("value", ["10.0.0.1/8", "proxy", "10.0.0.0/33", "*", "10.0.0.0/8;::1"])
def test_a_wrong_network_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("TRUSTED_PROXIES", value)
    with pytest.raises(ImproperlyConfigured, match="TRUSTED_PROXIES must be networks"):
        networks("TRUSTED_PROXIES")
