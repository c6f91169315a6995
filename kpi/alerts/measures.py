"""What alerts watch. A new measure is one entry in MEASURES; rules then name it as their kind.

A measure is healthy when it is low: an alert opens above a rule's threshold.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.utils import timezone

from kpi.audit.checks import last_audit_differences
from kpi.checks.ages import audit_check_age, ledger_check_age
from kpi.checks.ledger import last_differences
from kpi.health.heartbeats import longest_gap
from kpi.history.windows import Totals, Windows
from kpi.selectors import oldest_mark_age
from market.kernel.amounts import move
from market.selectors import price_halts_since
from risk.selectors import get_policy, global_exposure
from trading.selectors import parked_answers_since

#: Fewer requests in the window say nothing about shares and quantiles.
FEWEST_REQUESTS: Final = 20

#: Reads the present figure over a window; None when there is nothing to measure. All measures of
#: one look share what was read of the windows.
Reader = Callable[[timedelta, Windows], float | None]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that deserves an alert of its own; ``subject`` names it and no other."""

    subject: str
    value: float
    is_over: bool


#: Reads the events that go on, and those that ended within a window.
EventReader = Callable[[timedelta], Sequence[Event]]


#: Units of figures that are parts of a whole; people read those in percent.
PARTS: Final = ("share", "move")


@dataclass(frozen=True, slots=True)
class Measure:
    """What a rule of this kind compares with its threshold, which is in ``unit``.

    It is one present figure, or the figures of events.
    """

    label: str
    unit: str
    read: Reader = lambda window, windows: None
    events: EventReader | None = None

    def written(self, value: float) -> str:
        """Write a figure of this measure with its unit: ``750 ms``, ``20 %``, ``3``."""
        if self.unit in PARTS:
            return f"{100 * value:,.4g} %"
        return f"{value:,.6g} {self.unit}" if self.unit != "count" else f"{value:,.6g}"


def from_totals(figure: Callable[[Totals], float], *, fewest: int = 0) -> Reader:
    """Return the reader of a figure over what happened in the window."""

    def read(window: timedelta, windows: Windows) -> float | None:
        totals = windows.over(window)
        return figure(totals) if totals["requests"] >= fewest else None

    return read


def level(figure: Callable[[], float | None]) -> Reader:
    """Return the reader of a figure that stands as it does, whatever the window."""
    return lambda window, windows: figure()


def exposure_share() -> float | None:
    """Return the global exposure as a share of its threshold; None with a threshold of 0."""
    threshold = get_policy().global_exposure_threshold
    return float(global_exposure() / threshold) if threshold else None


def mark_age() -> float | None:
    """Return the age of the oldest mark; None where beat is told to let the market stand still."""
    return oldest_mark_age() if settings.TICK_INTERVAL_SECONDS else None


def refused_quotes(window: timedelta) -> list[Event]:
    """Return the quotes that halted an instrument, each by its move from the mark."""
    return [
        Event(
            f"{halt.instrument} halt {halt.pk}",
            float(abs(move(halt.mark_price, halt.price))),
            is_over=halt.released_at is not None,
        )
        for halt in price_halts_since(timezone.now() - window)
    ]


def parked_answers(window: timedelta) -> list[Event]:
    """Return what a venue said about an order and does not fit it, until staff settle it."""
    return [
        Event(f"order {parked.order_id} answer {parked.pk}", 1, parked.settled_at is not None)
        for parked in parked_answers_since(timezone.now() - window)
    ]


def written(kind: str, value: float) -> str:
    """Write a figure as the measure of a kind does; one that is no longer known has no unit."""
    return MEASURES[kind].written(value) if kind in MEASURES else f"{value:,.6g}"


def name_of(kind: str) -> str:
    """Return what a kind of rules measures, as people read it."""
    return MEASURES[kind].label if kind in MEASURES else kind


#: By the kind of the rules.
MEASURES: Final[Mapping[str, Measure]] = {
    "latency_p95": Measure(
        "Latency of the API, p95",
        "ms",
        from_totals(lambda totals: totals.quantile_ms(0.95), fewest=FEWEST_REQUESTS),
    ),
    "error_rate": Measure(
        "Share of requests answered with 400 and more",
        "share",
        from_totals(lambda totals: totals["errors"] / totals["requests"], fewest=FEWEST_REQUESTS),
    ),
    "server_errors": Measure(
        "Requests answered with 500 and more",
        "count",
        from_totals(lambda totals: totals["server_errors"]),
    ),
    "auth_failures": Measure(
        "Refused credentials", "count", from_totals(lambda totals: totals["auth_failures"])
    ),
    "rate_limit_hits": Measure(
        "Reached rate limits", "count", from_totals(lambda totals: totals["rate_limit_hits"])
    ),
    "liquidations": Measure(
        "Close-outs of accounts", "count", from_totals(lambda totals: totals["liquidations"])
    ),
    "exposure_share": Measure(
        "Global exposure as a share of its threshold", "share", level(exposure_share)
    ),
    "mark_age": Measure("Age of the oldest mark price", "s", level(mark_age)),
    "heartbeat_gap": Measure(
        "Longest time without a heartbeat", "s", lambda window, _: longest_gap(window)
    ),
    "ledger_differences": Measure(
        "Differences that the last ledger check found", "count", level(last_differences)
    ),
    "audit_differences": Measure(
        "Differences that the last verification of the audit trail found",
        "count",
        level(last_audit_differences),
    ),
    "ledger_check_age": Measure(
        "Intervals since the last ledger check", "intervals", level(ledger_check_age)
    ),
    "audit_check_age": Measure(
        "Intervals since the last verification of the audit trail",
        "intervals",
        level(audit_check_age),
    ),
    "price_halts": Measure(
        "Quote beyond the price collar, which halted its instrument",
        "move",
        events=refused_quotes,
    ),
    "parked_answers": Measure(
        "Answer of a venue that does not fit its order and waits for staff",
        "count",
        events=parked_answers,
    ),
}
