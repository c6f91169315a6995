"""Every figure is kept, merged and told: a new one is tested by being declared."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import time_machine
from django.db.models import Model

from kpi.history.figures import (
    COLUMNS,
    COUNTS,
    INSTRUMENT_COLUMNS,
    LEVELS,
    MARKET_TIME,
    METRICS,
    UNITS,
    Figure,
)
from kpi.history.series import get_history
from kpi.history.snapshots import take_snapshot
from kpi.history.thinning import thin_snapshots
from kpi.history.windows import ADDED_UP, Windows
from kpi.models import InstrumentSnapshot, KpiSnapshot
from kpi.requests.metrics import LATENCY_BOUNDS
from market.models import Instrument
from tests.conftest import ApiClient
from tests.each import each
from tests.kpi.conftest import Order

NOON: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)
SNAPSHOTS: Final = 12
DOCUMENT: Final = (
    Path("docs/metrics.md").read_text().partition("## KPI history")[2].partition("\n## ")[0]
)

Rows = list[dict[str, Any]]


def value(figure: Figure, number: int, n: int) -> Any:
    """Return what the n-th snapshot says of the figure: no two figures and snapshots agree."""
    amount = 1_000 * (number + 1) + n * n + 1
    if figure.by == "bound":
        return [(n + 1) * (bound + 1) for bound in range(len(LATENCY_BOUNDS))]
    if figure.by == "code":
        return {"stale_price" if n % 2 else "invalid_size": n + 1}
    if figure.by == "moment":
        return NOON + timedelta(seconds=amount)
    return {"beginner": amount, "advanced": -amount} if figure.by == "tier" else amount


def stored(start: datetime) -> Rows:
    """Store snapshots every 15 seconds and return their figures."""
    rows = [
        {figure.name: value(figure, number, n) for number, figure in enumerate(COLUMNS)}
        | {"seconds": 15}
        for n in range(SNAPSHOTS)
    ]
    slots = [start + n * timedelta(seconds=15) for n in range(SNAPSHOTS)]
    snapshots = KpiSnapshot.objects.bulk_create(
        KpiSnapshot(slot=slot, **row) for slot, row in zip(slots, rows, strict=True)
    )
    instrument = Instrument.objects.create(symbol="BTCUSDT", tick_size="0.1", lot_size="0.001")
    InstrumentSnapshot.objects.bulk_create(
        InstrumentSnapshot(
            snapshot=snapshot,
            instrument=instrument,
            **{f.name: value(f, number, n) for number, f in enumerate(INSTRUMENT_COLUMNS)},
        )
        for n, snapshot in enumerate(snapshots)
    )
    return rows


@pytest.fixture
def long_ago(db: None) -> Iterator[Rows]:
    """Snapshots of three minutes before the last day, not yet merged."""
    with time_machine.travel(NOON, tick=False):
        yield stored(NOON - timedelta(hours=30))


def columns_of(model: type[Model]) -> set[str]:
    fields = {field.name for field in model._meta.get_fields() if not field.auto_created}
    return fields - {"slot", "snapshot", "instrument"}


def history(metric: str) -> Any:
    """Return the values of a metric, each of half an hour."""
    found = get_history(metric=metric, window="7d", symbols=["BTCUSDT"])
    assert found.points or found.series
    return [found.points, *(one.points for one in found.series)]


def test_every_column_is_a_figure() -> None:
    assert {figure.name for figure in COLUMNS} == columns_of(KpiSnapshot)
    assert {figure.name for figure in INSTRUMENT_COLUMNS} == columns_of(InstrumentSnapshot)


def test_what_adds_up_is_read_from_one_index() -> None:
    [index] = KpiSnapshot._meta.indexes
    read = {figure.name for figure in ADDED_UP} | {"slot", MARKET_TIME.name}
    assert {*index.fields, *index.include} == read


def test_a_snapshot_has_a_value_of_every_figure(order: Order) -> None:
    for moment in (NOON, NOON + timedelta(minutes=1)):
        with time_machine.travel(moment, tick=False):
            assert order("beginner", "buy", "0.1") == 200
            Instrument.objects.update(market_time=moment)  # as a replay does
            snapshot = take_snapshot()
    missing = [figure.name for figure in COLUMNS if getattr(snapshot, figure.name) is None]
    assert missing == []


def test_counts_add_up_through_thinning(long_ago: Rows) -> None:
    expected = {figure.name: sum(row[figure.name] for row in long_ago) for figure in COUNTS}
    assert thin_snapshots() == SNAPSHOTS - 3
    rows = KpiSnapshot.objects.values(*expected)
    assert {name: sum(row[name] for row in rows) for name in expected} == expected


def test_of_levels_thinning_keeps_the_last_of_each_minute(long_ago: Rows) -> None:
    assert thin_snapshots() == SNAPSHOTS - 3
    names = [figure.name for figure in LEVELS]
    kept = KpiSnapshot.objects.order_by("slot").values(*names)
    assert list(kept) == [{name: long_ago[n][name] for name in names} for n in (3, 7, 11)]


def test_thinning_adds_up_codes_and_latencies(long_ago: Rows) -> None:
    thin_snapshots()
    rows = KpiSnapshot.objects.all()
    codes = sum((Counter(row.rejections) for row in rows), Counter[str]())
    assert codes == sum((Counter(row["rejections"]) for row in long_ago), Counter[str]())
    for bound in range(len(LATENCY_BOUNDS)):
        expected = sum(row["latency_counts"][bound] for row in long_ago)
        assert sum(row.latency_counts[bound] for row in rows) == expected


@each("metric", METRICS)
def test_the_history_tells_the_same_before_and_after_thinning(metric: str, long_ago: Rows) -> None:
    before = history(metric)
    assert thin_snapshots()
    assert history(metric) == before


def test_windows_add_up_every_count(db: None) -> None:
    day = timedelta(hours=24)
    with time_machine.travel(NOON, tick=False):
        rows = stored(NOON - timedelta(hours=1))
        total = Windows().over(day)
        own = {figure.name: Windows([figure.name]).over(day) for figure in COUNTS}
    expected = {figure.name: sum(row[figure.name] for row in rows) for figure in COUNTS}
    assert {name: total[name] for name in expected} == expected
    assert {name: dict(one.counts) for name, one in own.items()} == {
        name: {name: count} for name, count in expected.items()
    }


def test_the_api_document_lists_every_metric(anonymous: ApiClient) -> None:
    document = anonymous.get("/schema?format=json").json()
    parameters = document["paths"]["/kpi/history"]["get"]["parameters"]
    [asked] = [one["schema"] for one in parameters if one["name"] == "metric"]
    assert asked["enum"] == list(METRICS)
    assert all(name.endswith("_by_tier") == (METRICS[name].by == "tier") for name in METRICS)
    units = {figure.unit for figure in METRICS.values()}
    assert units == set(re.sub(r" \(.*?\)", "", UNITS).replace(" or ", ", ").split(", "))


@each("metric", METRICS)
def test_the_documents_tell_what_a_metric_is(metric: str) -> None:
    [row] = re.findall(rf"^\| {metric} \| (.+?) \| (.+?) \| .+ \|$", DOCUMENT, re.MULTILINE)
    figure = METRICS[metric]
    merged = "sum" if figure in COUNTS else "last" if figure.at_last else row[1]
    assert row == (figure.unit, merged)
