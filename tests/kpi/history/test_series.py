"""The KPI history as series: buckets of snapshots, for charts."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import product

import pytest
import time_machine
from django.contrib.auth.models import AnonymousUser

from accounts.models import User
from kpi.dashboard.as_json import dashboard_json
from kpi.dashboard.charts import milliseconds
from kpi.dashboard.figures import get_dashboard
from kpi.history.figures import METRICS
from kpi.history.series import get_history
from kpi.history.snapshots import take_snapshot
from kpi.history.windows import WINDOWS
from market.services import list_instrument
from tests.conftest import ApiClient, ClientOf
from tests.each import each
from tests.kpi.conftest import Order
from trading.steps.by_hand import step_at_prices

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def history(order: Order) -> None:
    """Snapshots of one minute, in the middle of which somebody bought."""
    for second in (0, 15, 30, 45, 60):
        with time_machine.travel(NOON + timedelta(seconds=second), tick=False):
            take_snapshot()
            if second == 30:
                assert order("beginner", "buy", "0.5") == 200


def test_every_metric_has_points_in_every_window(history: None) -> None:
    with time_machine.travel(NOON + timedelta(seconds=61), tick=False):
        for metric, window in product(METRICS, WINDOWS):
            found = get_history(metric=metric, window=window)
            points = found.series[0].points if METRICS[metric].by else found.points
            assert points, (metric, window)


def test_a_count_is_summed_and_a_level_is_the_last_of_its_bucket(history: None) -> None:
    with time_machine.travel(NOON + timedelta(seconds=61), tick=False):
        fine = get_history(metric="trades", window="1h").points
        coarse = get_history(metric="trades", window="6h").points
        exposure = get_history(metric="global_exposure", window="6h").points
    assert [point.value for point in fine] == [0, 0, 0, 1, 0]
    assert [(point.timestamp, point.value) for point in coarse] == [
        (NOON, 1),
        (NOON + timedelta(minutes=1), 0),
    ]
    assert [point.value for point in exposure] == [32_500, 32_500]


@each("metric", ["trades", "global_exposure", "effective_leverage_p50_by_tier", "open_interest"])
def test_a_snapshot_of_a_clock_that_is_ahead_is_told(history: None, metric: str) -> None:
    with time_machine.travel(NOON + timedelta(seconds=59), tick=False):
        found = get_history(metric=metric, window="1h")
    points = found.series[0].points if METRICS[metric].by else found.points
    assert points[-1].timestamp == NOON + timedelta(seconds=60)


def test_what_has_no_meaning_is_null(db: None) -> None:
    with time_machine.travel(NOON, tick=False):
        take_snapshot()
        for metric in ("latency_ms", "latency_p95_ms", "error_rate", "requests_per_second"):
            [point] = get_history(metric=metric, window="5m").points
            assert point.value is None


def test_the_endpoint_answers_points(history: None, client_of: ClientOf) -> None:
    with time_machine.travel(NOON + timedelta(seconds=61), tick=False):
        api = client_of(User.objects.get(username="beginner"))
        answer = api.get("/kpi/history?metric=global_exposure&window=5m").json()
    assert answer.pop("points")[-1] == {"timestamp": "2026-11-23T12:01:00Z", "value": 32_500}
    assert answer == {
        "metric": "global_exposure",
        "window": "5m",
        "unit": "USDT",
        "interval_seconds": 15,
    }


def test_points_bear_the_time_of_the_candle_that_was_replayed(
    demo: None, client_of: ClientOf
) -> None:
    candle = datetime(2025, 1, 1, 0, 1, tzinfo=UTC)
    with time_machine.travel(NOON, tick=False):
        step_at_prices({"BTCUSDT": Decimal(65_000)}, market_time=candle)
        take_snapshot()
    with time_machine.travel(NOON + timedelta(seconds=15), tick=False):
        step_at_prices({"BTCUSDT": Decimal(65_001)})
        take_snapshot()
        api = client_of(User.objects.get(username="beginner"))
        for metric, path in (
            ("global_exposure", lambda answer: answer["points"]),
            ("mark_price", lambda answer: answer["series"][0]["points"]),
            ("effective_leverage_p50_by_tier", lambda answer: answer["series"][0]["points"]),
        ):
            first, second = path(api.get(f"/kpi/history?window=5m&metric={metric}").json())
            assert first["market_time"] == "2025-01-01T00:01:00Z", metric
            assert "market_time" not in second
        replayed = dashboard_json(get_dashboard(window="1h"), user=AnonymousUser())["replayed"]
    assert replayed == [(milliseconds(NOON), milliseconds(candle))]


def test_metrics_by_instrument_have_a_series_each(history: None, client_of: ClientOf) -> None:
    path = "/kpi/history?metric=open_interest_long&window=5m"
    with time_machine.travel(NOON + timedelta(seconds=61), tick=False):
        api = client_of(User.objects.get(username="beginner"))
        every = api.get(path).json()["series"]
        one = api.get(f"{path}&symbol=ethusdt").json()["series"]
        unknown = api.get(f"{path}&symbol=NOSUCH")
    assert [series["symbol"] for series in every] == ["BTCUSDT", "ETHUSDT"]
    assert every[0]["points"][-1]["value"] == 32_500
    assert [series["symbol"] for series in one] == ["ETHUSDT"]
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_symbol")


def test_an_instrument_listed_later_has_points_since_then(demo: None, client_of: ClientOf) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        take_snapshot()
        clock.shift(15)
        listed = {"symbol": "SOLUSDT", "base_asset": "SOL", "reason": "A test"}
        list_instrument(**listed, tick_size=Decimal("0.01"), lot_size=Decimal("0.1"))
        step_at_prices({"SOLUSDT": Decimal(150)})
        take_snapshot()
        api = client_of(User.objects.get(username="beginner"))
        path = "/kpi/history?metric=mark_price&window=5m&symbol=SOLUSDT,BTCUSDT"
        bitcoin, solana = api.get(path).json()["series"]
    times = ["2026-11-23T12:00:00Z", "2026-11-23T12:00:15Z"]
    assert [point["timestamp"] for point in bitcoin["points"]] == times
    assert solana == {"symbol": "SOLUSDT", "points": [{"timestamp": times[1], "value": 150}]}


@each(
    ("query", "field", "listed"),
    [
        ("metric=nonsense", "metric", "latency_p95_ms"),
        ("", "metric", "open_interest_long"),
        ("metric=requests&window=2h", "window", "30d"),
        (f"metric=exposure&symbol={'A,' * 11}", "symbol", "10"),
    ],
)
def test_an_unknown_choice_gets_the_list(
    api: ApiClient, query: str, field: str, listed: str
) -> None:
    answer = api.get(f"/kpi/history?{query}")
    assert answer.status_code == 400
    assert answer.json()["code"] == "validation_error"
    assert listed in answer.json()["errors"][field][0]
