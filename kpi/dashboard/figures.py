"""What the console's dashboard is drawn from: the exchange as it stands and as it went.

Nothing here grows with the orders: history comes from the KPI snapshots in one pass, the rest from
running totals and from one aggregate over the open positions. Amounts in USDT.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django.db import connection
from django.db.models import FloatField
from django.db.models.functions import Cast
from django.utils import timezone

from accounts.selectors import insurance_fund_balance, total_bad_debt
from kpi.dashboard.attention import Concern, Signs, concerns, read_signs
from kpi.dashboard.margin_ratios import MarginRatios, margin_ratios
from kpi.history.figures import COUNTS, HISTOGRAM, LEVELS
from kpi.history.series import Span, buckets, span_of
from kpi.models import Alert, InstrumentSnapshot, KpiSnapshot
from kpi.requests.metrics import LATENCY_BOUNDS
from kpi.selectors import OpenInterest, open_interest
from market.kernel.snapshot import consistent_read
from market.kernel.states import TradingState
from market.models import Instrument, MarketClock
from risk.maintenance import requirement_of
from risk.selectors import get_policy, global_exposure, open_positions

#: As many price series as a chart has room for: the instruments with the largest exposure.
MOST_INSTRUMENTS: Final = 6

NO_COUNTS: Final = (Decimal(),) * len(LATENCY_BOUNDS)

Points = Sequence[tuple[datetime, float]]


@dataclass(frozen=True, slots=True)
class Bucket:
    """What the snapshots of one interval of the window come to, by the names of the figures."""

    start: datetime
    values: Mapping[str, Any]
    latency_counts: Sequence[Decimal]

    def per_second(self, count: str) -> float | None:
        seconds = self.values["seconds"]
        return self.values[count] / seconds if seconds else None


@dataclass(frozen=True, slots=True)
class InstrumentFigures:
    """An instrument as it stands, and its mark price over the window."""

    instrument: Instrument
    interest: OpenInterest
    prices: Points


@dataclass(frozen=True, slots=True)
class Dashboard:
    """All of it: ``history`` and ``rejections`` over the window, the rest as of ``at``."""

    window: str
    at: datetime
    since: datetime
    interval_seconds: int
    market_steps: int
    trading_state: TradingState
    global_exposure: Decimal
    global_exposure_threshold: Decimal
    open_positions: int
    insurance_fund: Decimal
    bad_debt: Decimal
    instruments: Sequence[InstrumentFigures]
    ratios: MarginRatios
    history: Sequence[Bucket]
    rejections: Mapping[str, int]
    alerts: Sequence[Alert]
    signs: Signs

    @property
    def exposure_share(self) -> float:
        """The global exposure as a share of its threshold."""
        threshold = self.global_exposure_threshold
        return float(self.global_exposure / threshold) if threshold else 1.0

    @property
    def concerns(self) -> list[Concern]:
        """What needs attention besides the alerts."""
        return concerns(
            self.signs,
            self.ratios,
            state=self.trading_state,
            exposure_share=self.exposure_share,
        )

    @property
    def latency_counts(self) -> Sequence[Decimal]:
        """The histogram over the whole window."""
        counts = [bucket.latency_counts for bucket in self.history]
        return [sum(column, Decimal()) for column in zip(NO_COUNTS, *counts, strict=True)]


def get_dashboard(*, window: str) -> Dashboard:
    """Return the dashboard; ``window`` is one of those of the KPI history."""
    now = timezone.now()
    span = span_of(window, now=now)
    with consistent_read():
        return read_dashboard(window, span, now)


def read_dashboard(window: str, span: Span, now: datetime) -> Dashboard:
    policy = get_policy()
    history, slots = read_history(span)
    return Dashboard(
        window=window,
        at=now,
        since=span.start,
        interval_seconds=span.seconds,
        market_steps=MarketClock.objects.get(id=1).steps,
        trading_state=policy.trading_state,
        global_exposure=global_exposure(),
        global_exposure_threshold=policy.global_exposure_threshold,
        open_positions=open_positions().count(),
        insurance_fund=insurance_fund_balance(),
        bad_debt=total_bad_debt(),
        instruments=instrument_figures(slots),
        ratios=margin_ratios(by=requirement_of(policy)),
        history=history,
        rejections=rejections(span),
        alerts=open_alerts(),
        signs=read_signs(),
    )


#: Counts that no card or chart shows: each sum more costs a tenth of the statement.
NOT_SHOWN: Final = {"server_errors", "latency_seconds", "auth_failures", "cache_outages"}
SHOWN: Final = tuple(figure for figure in COUNTS if figure.name not in NOT_SHOWN)
SUMS: Final = ", ".join(["max(slot)", HISTOGRAM, *(figure.value for figure in SHOWN)])


def read_history(span: Span) -> tuple[list[Bucket], list[datetime]]:
    """Return the buckets, and the last snapshot's slot of each, where its levels stand."""
    rows = buckets(SUMS, span)
    slots = [row[1] for row in rows]
    names = [figure.name for figure in LEVELS]
    last = {
        row.pop("slot"): row
        for row in KpiSnapshot.objects.filter(slot__in=slots).values("slot", *names)
    }
    history = [
        Bucket(start, {**summed(sums), **plain(last[slot])}, latency_counts)
        for start, slot, latency_counts, *sums in rows
    ]
    return history, slots


def summed(sums: Sequence[Decimal | float]) -> dict[str, float]:
    return {figure.name: float(n) for figure, n in zip(SHOWN, sums, strict=True)}


def plain(levels: Mapping[str, Any]) -> dict[str, Any]:
    return {n: float(v) if isinstance(v, Decimal) else v for n, v in levels.items()}


def instrument_figures(slots: Sequence[datetime]) -> list[InstrumentFigures]:
    """Return the instruments with the largest exposure, their prices as of the given slots."""
    interests = sorted(open_interest(), key=exposure_of, reverse=True)[:MOST_INSTRUMENTS]
    shown = {interest.instrument_id: interest for interest in interests}
    rows = (
        InstrumentSnapshot.objects.filter(instrument__in=shown, snapshot__slot__in=slots)
        .order_by("snapshot__slot")
        .values_list("instrument_id", "snapshot__slot", Cast("mark_price", FloatField()))
    )
    prices: dict[int, list[tuple[datetime, float]]] = {key: [] for key in shown}
    for key, slot, price in rows:
        prices[key].append((slot, price))
    instruments = Instrument.objects.in_bulk(list(shown))
    return [
        InstrumentFigures(instruments[key], interest, prices[key])
        for key, interest in sorted(shown.items(), key=lambda item: item[1].symbol)
    ]


def exposure_of(interest: OpenInterest) -> Decimal:
    return interest.long + interest.short + interest.order_notional


def open_alerts() -> list[Alert]:
    """Return the alerts that have not resolved, newest first, with their rules."""
    return list(Alert.objects.filter(resolved_at=None).select_related("rule", "acknowledged_by"))


REJECTIONS: Final = """
SELECT code, sum(count::bigint)::bigint AS orders
FROM kpi_kpisnapshot, jsonb_each_text(rejections) AS rejection (code, count)
WHERE slot >= %(start)s
GROUP BY code
ORDER BY orders DESC, code
"""


def rejections(span: Span) -> dict[str, int]:
    """Return the refused orders of the window by the code of the check, most frequent first."""
    with connection.cursor() as cursor:
        cursor.execute(REJECTIONS, {"start": span.start})
        return dict(cursor.fetchall())
