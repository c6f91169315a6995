"""The KPI endpoints answer what happened, in JSON numbers."""

import time
from typing import Any

import pytest
from django.core.management import call_command

from accounts.keys import issue_api_key, revoke_api_key
from accounts.models import User
from accounts.selectors import insurance_fund_balance, total_bad_debt
from tests.conftest import ApiClient, ClientOf
from tests.each import each


def are_numbers(values: Any) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


@each("name", ["system", "trading", "security"])
def test_kpis_need_a_token_and_any_will_do(anonymous: ApiClient, api: ApiClient, name: str) -> None:
    assert anonymous.get(f"/kpi/{name}").status_code == 401
    assert api.get(f"/kpi/{name}").status_code == 200


def test_system_kpis_are_numbers_in_their_ranges(api: ApiClient) -> None:
    api.get("/kpi/security")
    kpis = api.get("/kpi/system").json()
    assert set(kpis) == {
        "latency_ms",
        "latency_p50_ms",
        "latency_p95_ms",
        "latency_p99_ms",
        "error_rate",
        "uptime",
        "requests",
        "window_seconds",
    }
    assert are_numbers(kpis.values())
    assert 0 < kpis["latency_p50_ms"] <= kpis["latency_p95_ms"] <= kpis["latency_p99_ms"]
    assert kpis["latency_ms"] > 0
    assert kpis["window_seconds"] > 0
    assert 0 <= kpis["error_rate"] <= 1
    assert 0 <= kpis["uptime"] <= 1


def test_requests_and_errors_are_counted_and_probes_left_out(api: ApiClient) -> None:
    before = api.get("/kpi/system").json()
    for path in ("/positions", "/nowhere", "/health", "/metrics", "/admin/", "/schema"):
        api.get(path)
    after = api.get("/kpi/system").json()
    # The first reading itself, /positions and /nowhere; only the last one is an error.
    assert after["requests"] - before["requests"] == 3
    errors = [kpis["error_rate"] * kpis["requests"] for kpis in (before, after)]
    assert errors[1] - errors[0] == pytest.approx(1)


def test_the_window_grows_with_time(api: ApiClient) -> None:
    started, before = time.time(), api.get("/kpi/system").json()["window_seconds"]
    after = api.get("/kpi/system").json()["window_seconds"]
    assert 0 < after - before <= time.time() - started


def test_uptime_is_that_of_the_heartbeats(api: ApiClient) -> None:
    from kpi.tasks import beat_heart

    assert api.get("/kpi/system").json()["uptime"] == 0
    beat_heart()
    assert api.get("/kpi/system").json()["uptime"] == 1


def test_trading_kpis_before_the_first_order(api: ApiClient) -> None:
    kpis = api.get("/kpi/trading").json()
    assert kpis.pop("exact")["global_exposure_threshold"] == "10000000.00000000"
    assert kpis == {
        "total_orders": 0,
        "rejected_orders": 0,
        "total_trades": 0,
        "liquidation_events": 0,
        "open_positions": 0,
        "open_interest": [],
        "global_exposure": 0,
        "global_exposure_threshold": 10_000_000,
        "insurance_fund": 0,
        "bad_debt": 0,
    }


def test_trading_kpis_agree_with_what_was_traded(liquidated: None, client_of: ClientOf) -> None:
    api = client_of(User.objects.get(username="intermediate"))
    kpis = api.get("/kpi/trading").json()
    interest, exact = kpis.pop("open_interest"), kpis.pop("exact")
    assert are_numbers(kpis.values())
    assert kpis == {
        # Four of the traders and the one that closed out the beginner.
        "total_orders": 5,
        "rejected_orders": 1,
        "total_trades": 4,
        "liquidation_events": 1,
        "open_positions": 2,
        "global_exposure": 24_000,
        "global_exposure_threshold": 10_000_000,
        "insurance_fund": float(insurance_fund_balance()),
        "bad_debt": float(total_bad_debt()),
    }
    # 0.7 × (65,000 − 40,000) lost, of which the balance of 10,000 pays its part.
    assert kpis["insurance_fund"] == 100_000 - 7_500
    assert {"symbol": "BTCUSDT", "long": 4_000, "short": 20_000} in interest
    assert [one for one in exact.pop("open_interest") if one["symbol"] == "BTCUSDT"] == [
        {"symbol": "BTCUSDT", "long": "4000.00000000", "short": "20000.00000000"}
    ]
    assert exact == {
        "global_exposure": "24000.00000000",
        "global_exposure_threshold": "10000000.00000000",
        "insurance_fund": "92500.00000000",
        "bad_debt": "0.00000000",
    }


def test_security_kpis_count_refusals(
    api: ApiClient, anonymous: ApiClient, user: User, settings: Any
) -> None:
    before = api.get("/kpi/security").json()
    assert are_numbers(before.values())
    anonymous.get("/positions")
    anonymous.post("/auth/token", {"api_key": "guess"})
    settings.TOKEN_RATE_LIMIT = "1/d"
    anonymous.post("/auth/token", {"api_key": "guess"})
    anonymous.post("/auth/token", {"api_key": "guess"})
    revoked, _ = issue_api_key(reason="A test", user=user)
    revoke_api_key(reason="A test", api_key=revoked)
    issue_api_key(reason="A test", user=user)
    after = api.get("/kpi/security").json()
    assert {name: after[name] - before[name] for name in after} == {
        "auth_failures": 3,
        "rate_limit_hits": 1,
        "total_requests": 5,
        "cache_outages": 0,
        "active_keys": 1,
        "revoked_keys": 1,
    }


def test_a_paid_out_fund_leaves_bad_debt(liquidated: None, api: ApiClient) -> None:
    assert api.get("/kpi/trading").json()["bad_debt"] == 0
    call_command("set_price", "BTCUSDT", "5000000", verbosity=0)
    kpis = api.get("/kpi/trading").json()
    # The short of 0.5 loses 0.5 × (5,000,000 − 65,000); balance and fund pay all they have.
    assert kpis["insurance_fund"] == 0
    assert kpis["bad_debt"] == 2_467_500 - 100_000 - 92_500
