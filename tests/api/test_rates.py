"""A rate limit in the environment is read as documented or refused at the start."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from exchange_poc.env import rate


@pytest.mark.parametrize(
    ("value", "read"),
    [("", "100/m"), ("off", None), ("5/s", "5/s"), ("5/10s", "5/10s"), ("0/d", "0/d")],
)
def test_a_rate_is_read(monkeypatch: pytest.MonkeyPatch, value: str, read: str | None) -> None:
    monkeypatch.setenv("API_RATE_LIMIT", value)
    assert rate("API_RATE_LIMIT", default="100/m") == read


@pytest.mark.parametrize("value", ["100", "100/", "100/0m", "-1/m", "m/100", "100/y", "1e3/m"])
def test_a_wrong_rate_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("API_RATE_LIMIT", value)
    with pytest.raises(ImproperlyConfigured, match="API_RATE_LIMIT"):
        rate("API_RATE_LIMIT", default="100/m")
