"""Takes the KPI snapshots. One for each slot, however many workers try; no event counts twice."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.selectors import insurance_fund_balance, total_bad_debt
from kpi.counters import Counters, increase, latency_counts, rejections, summed
from kpi.heartbeats import multiple_before, uptime
from kpi.models import InstrumentSnapshot, KpiReading, KpiSnapshot
from kpi.selectors import oldest_mark_age, open_interest
from kpi.sources import read_counters
from market.amounts import round_half_even
from risk.selectors import get_policy, global_exposure, open_positions
from trading.models import Liquidation, Trade

#: Rows are counted by id when they are this old, as their transactions commit out of order.
SETTLING: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class NewRows:
    """How many rows of a table settled since the row ``after``, and the last one of them."""

    count: int
    last_id: int


def slot_of(moment: datetime) -> datetime:
    """Return the multiple of the snapshot interval since the epoch at or before ``moment``."""
    return multiple_before(moment, timedelta(seconds=settings.KPI_SNAPSHOT_INTERVAL_SECONDS))


def take_snapshot() -> KpiSnapshot | None:
    """Store the KPIs of the present slot; return None when that slot has its snapshot."""
    now = timezone.now()
    counters = read_counters()
    with transaction.atomic():
        reading = KpiReading.objects.select_for_update().get(id=1)
        if reading.read_at is not None and slot_of(reading.read_at) >= slot_of(now):
            return None
        trades = new_rows(Trade, after=reading.last_trade_id, now=now)
        liquidations = new_rows(Liquidation, after=reading.last_liquidation_id, now=now)
        snapshot = KpiSnapshot(
            slot=slot_of(now),
            seconds=(now - reading.read_at).total_seconds() if reading.read_at else 0,
            trades=trades.count if reading.read_at else 0,
            liquidations=liquidations.count if reading.read_at else 0,
            **request_figures(reading.counters, counters),
            **levels(),
        )
        snapshot.save(force_insert=True)
        InstrumentSnapshot.objects.bulk_create(instruments_at(snapshot))
        reading.read_at = now
        reading.counters = {**reading.counters, **counters}
        reading.last_trade_id, reading.last_liquidation_id = trades.last_id, liquidations.last_id
        reading.save()
    return snapshot


def new_rows(model: type[Trade | Liquidation], *, after: int, now: datetime) -> NewRows:
    """Return the rows with ids above ``after`` up to the last one that has settled."""
    rows = model.objects.filter(id__gt=after)
    settled = rows.filter(created_at__lt=now - SETTLING).order_by("-id")
    last_id = settled.values_list("id", flat=True).first()
    if last_id is None:
        return NewRows(0, after)
    return NewRows(rows.filter(id__lte=last_id).count(), last_id)


def request_figures(
    before: Mapping[str, Counters], after: Mapping[str, Counters]
) -> dict[str, Any]:
    """Return the increases of the counters; a source read for the first time adds nothing."""
    known = [increase(before[source], now) for source, now in after.items() if source in before]
    increases = summed(known)
    rejected = rejections(increases)
    return {
        "latency_seconds": increases.get("latency_seconds", 0.0),
        "latency_counts": latency_counts(increases),
        "orders_rejected": sum(rejected.values()),
        "rejections": rejected,
        **{name: int(increases.get(name, 0)) for name in COUNTS},
    }


COUNTS: Final = (
    *("requests", "errors", "server_errors", "auth_failures", "rate_limit_hits"),
    *("cache_outages", "orders_accepted"),
)


def levels() -> dict[str, Any]:
    """Return what the exchange stands at."""
    return {
        "global_exposure": global_exposure(),
        "global_exposure_threshold": get_policy().global_exposure_threshold,
        "insurance_fund": insurance_fund_balance(),
        "bad_debt": total_bad_debt(),
        "open_positions": open_positions().count(),
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
