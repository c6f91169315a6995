"""A rate limit in the environment is read as documented or refused at the start."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from exchange_poc.env import default_order_rate, rate
from tests.each import each


@each(
    ("value", "read"),
    [("", "100/m"), ("off", None), ("5/s", "5/s"), ("5/10s", "5/10s"), ("0/d", "0/d")],
)
def test_a_rate_is_read(monkeypatch: pytest.MonkeyPatch, value: str, read: str | None) -> None:
    monkeypatch.setenv("API_RATE_LIMIT", value)
    assert rate("API_RATE_LIMIT", default="100/m") == read


@each("value", ["100", "100/", "100/0m", "-1/m", "m/100", "100/y", "1e3/m"])
def test_a_wrong_rate_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("API_RATE_LIMIT", value)
    with pytest.raises(ImproperlyConfigured, match="API_RATE_LIMIT"):
        rate("API_RATE_LIMIT", default="100/m")


@each(
    ("requests", "orders"),
    [
        ("100/m", "600/m"),
        ("600/m", "600/m"),
        ("10/s", "600/m"),
        ("100/10s", "600/m"),
        ("36000/h", "600/m"),
        ("864000/d", "600/m"),
        ("601/m", None),
        ("11/s", None),
        ("101/10s", None),
        ("36001/h", None),
        ("864001/d", None),
        ("off", None),
    ],
)
def test_orders_are_limited_where_requests_do_not_allow_more(
    monkeypatch: pytest.MonkeyPatch, requests: str, orders: str | None
) -> None:
    monkeypatch.setenv("API_RATE_LIMIT", requests)
    request_rate = rate("API_RATE_LIMIT", default="100/m")
    for unset in ("", None):
        if unset is None:
            monkeypatch.delenv("ORDER_RATE_LIMIT", raising=False)
        else:
            monkeypatch.setenv("ORDER_RATE_LIMIT", unset)
        assert rate("ORDER_RATE_LIMIT", default=default_order_rate(request_rate)) == orders
    monkeypatch.setenv("ORDER_RATE_LIMIT", "7/h")
    assert rate("ORDER_RATE_LIMIT", default=default_order_rate(request_rate)) == "7/h"
