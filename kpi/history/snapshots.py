"""Takes the KPI snapshots. One for each slot, however many workers try; no event counts twice."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.selectors import insurance_fund_balance, total_bad_debt
from kpi.health.heartbeats import multiple_before, uptime
from kpi.history.counters import READ, Counters, latency_counts, risen
from kpi.history.sources import read_counters
from kpi.models import InstrumentSnapshot, KpiReading, KpiSnapshot
from kpi.selectors import (
    CountedModel,
    accounts_near_liquidation,
    new_rows,
    oldest_mark_age,
    open_interest,
    orders_by_code,
)
from market.kernel.amounts import round_half_even
from risk.selectors import get_policy, global_exposure, open_positions
from trading.models import Liquidation, Order, Trade

COUNTS: Final = (
    *("requests", "errors", "server_errors"),
    *("auth_failures", "rate_limit_hits", "cache_outages"),
)
#: A source that nobody read for this long is forgotten.
KEPT_FOR: Final = timedelta(days=1)
#: Rows are counted by id when they are this old, as their transactions commit out of order.
SETTLING: Final = timedelta(seconds=5)


def slot_of(moment: datetime) -> datetime:
    """Return the multiple of the snapshot interval since the epoch at or before ``moment``."""
    return multiple_before(moment, timedelta(seconds=settings.KPI_SNAPSHOT_INTERVAL_SECONDS))


def take_snapshot() -> KpiSnapshot | None:
    """Store the KPIs of the present slot; return None when that slot has its snapshot.

    With KPI_SNAPSHOT_INTERVAL_SECONDS=0 there are no slots.
    """
    if not settings.KPI_SNAPSHOT_INTERVAL_SECONDS:
        return None
    now = timezone.now()
    counters = read_counters()
    with transaction.atomic():
        reading = KpiReading.objects.select_for_update().get(id=1)
        if reading.read_at is not None and slot_of(reading.read_at) >= slot_of(now):
            return None
        snapshot = KpiSnapshot(
            slot=slot_of(now),
            seconds=(now - reading.read_at).total_seconds() if reading.read_at else 0,
            **request_figures(reading, counters),
            **levels(),
        )
        count_rows(snapshot, reading, now=now)
        snapshot.save(force_insert=True)
        InstrumentSnapshot.objects.bulk_create(instruments_at(snapshot))
        reading.read_at, reading.counters = now, remembered(reading.counters, counters, now=now)
        reading.save()
    return snapshot


def request_figures(reading: KpiReading, counters: Mapping[str, Counters]) -> dict[str, Any]:
    """Return the increases of the counters since the last reading; nothing in the first."""
    if reading.read_at is None:
        return {"latency_counts": latency_counts({})}
    increases = risen(reading.counters, counters, read_at=reading.read_at.timestamp())
    return {
        "latency_seconds": increases.get("latency_seconds", 0.0),
        "latency_counts": latency_counts(increases),
        **{name: int(increases.get(name, 0)) for name in COUNTS},
    }


def remembered(
    before: Mapping[str, Counters], counters: Mapping[str, Counters], *, now: datetime
) -> dict[str, Counters]:
    """Return what the next reading starts from: these counters, and of sources not read now the
    last ones."""
    read = {source: {**figures, READ: now.timestamp()} for source, figures in counters.items()}
    oldest = (now - KEPT_FOR).timestamp()
    return {source: c for source, c in {**before, **read}.items() if c[READ] > oldest}


def count_rows(snapshot: KpiSnapshot, reading: KpiReading, *, now: datetime) -> None:
    """Count the rows that settled since the last reading, and move the reading on to them.

    The first snapshot moves it only. Rows are counted by id up to the last one that is older than
    SETTLING, as transactions commit out of order.
    """
    last_order, last_trade, last_liquidation = (
        settled_id(model, now) for model in (Order, Trade, Liquidation)
    )
    if reading.read_at is not None:
        codes = orders_by_code(after=reading.last_order_id, until=last_order)
        snapshot.orders_accepted = codes.pop("", 0)
        snapshot.orders_rejected, snapshot.rejections = sum(codes.values()), codes
        snapshot.trades = new_rows(Trade, after=reading.last_trade_id, until=last_trade)
        snapshot.liquidations = new_rows(
            Liquidation, after=reading.last_liquidation_id, until=last_liquidation
        )
    reading.last_order_id = max(last_order, reading.last_order_id)
    reading.last_trade_id = max(last_trade, reading.last_trade_id)
    reading.last_liquidation_id = max(last_liquidation, reading.last_liquidation_id)


def settled_id(model: CountedModel, now: datetime) -> int:
    """Return the id of the last row that is older than SETTLING; 0 without any."""
    settled = model.objects.filter(created_at__lt=now - SETTLING).order_by("-id")
    return settled.values_list("id", flat=True).first() or 0


def levels() -> dict[str, Any]:
    """Return what the exchange stands at."""
    positions = open_positions().count()
    return {
        "global_exposure": global_exposure(),
        "global_exposure_threshold": get_policy().global_exposure_threshold,
        "insurance_fund": insurance_fund_balance(),
        "bad_debt": total_bad_debt(),
        "open_positions": positions,
        "accounts_near_liquidation": accounts_near_liquidation(positions=positions),
        "uptime": uptime(),
        "mark_age_seconds": oldest_mark_age(),
    }


def instruments_at(snapshot: KpiSnapshot) -> list[InstrumentSnapshot]:
    """Return the rows by instrument that belong to a snapshot."""
    return [
        InstrumentSnapshot(
            snapshot=snapshot,
            instrument_id=interest.instrument_id,
            mark_price=interest.mark_price,
            open_interest_long=round_half_even(interest.long),
            open_interest_short=round_half_even(interest.short),
            order_notional=interest.order_notional,
        )
        for interest in open_interest()
    ]
