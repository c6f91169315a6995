"""The answers of ``/kpi/system``, ``/kpi/trading`` and ``/kpi/security``.

Without a window they go back to the start: of the processes, or of the exchange.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Final

from accounts.selectors import (
    count_active_keys,
    count_revoked_keys,
    insurance_fund_balance,
    total_bad_debt,
)
from kpi.health.heartbeats import uptime
from kpi.history.totals import count_ever
from kpi.history.windows import LATENCIES, Totals, Windows, since_start
from kpi.selectors import OpenInterest, open_interest
from risk.selectors import get_policy, global_exposure, open_positions
from trading.models import Liquidation, Order, Trade


@dataclass(frozen=True, slots=True)
class SystemKpis:
    """Latencies in milliseconds, rates as shares from 0 to 1, the window in seconds."""

    latency_ms: float
    latency_p50_ms: float
    latency_p95_ms: float
    latency_p99_ms: float
    error_rate: float
    uptime: float
    requests: int
    window_seconds: float


@dataclass(frozen=True, slots=True)
class TradingKpis:
    """Counts, and amounts in USDT."""

    total_orders: int
    rejected_orders: int
    total_trades: int
    liquidation_events: int
    open_positions: int
    open_interest: Sequence[OpenInterest]
    global_exposure: Decimal
    global_exposure_threshold: Decimal
    insurance_fund: Decimal
    bad_debt: Decimal


@dataclass(frozen=True, slots=True)
class SecurityKpis:
    """Counts."""

    auth_failures: int
    rate_limit_hits: int
    total_requests: int
    cache_outages: int
    active_keys: int
    revoked_keys: int


#: What each answer tells of a window.
PERFORMED: Final = ("seconds", "requests", "errors", "latency_seconds", LATENCIES)
REFUSED: Final = ("requests", "auth_failures", "rate_limit_hits", "cache_outages")
TRADED: Final = ("orders_accepted", "orders_rejected", "trades", "liquidations")


def get_system_kpis(window: timedelta | None) -> SystemKpis:
    """Return how the API performed, over all processes; uptime as ever, over 24 hours."""
    totals = counted_over(window, *PERFORMED)
    requests = int(totals["requests"])
    return SystemKpis(
        latency_ms=1000 * totals["latency_seconds"] / requests if requests else 0.0,
        latency_p50_ms=totals.quantile_ms(0.50),
        latency_p95_ms=totals.quantile_ms(0.95),
        latency_p99_ms=totals.quantile_ms(0.99),
        error_rate=totals["errors"] / requests if requests else 0.0,
        uptime=uptime(),
        requests=requests,
        window_seconds=totals["seconds"],
    )


def get_security_kpis(window: timedelta | None) -> SecurityKpis:
    """Return what was refused, over all processes, and the keys as they are now."""
    totals = counted_over(window, *REFUSED)
    return SecurityKpis(
        auth_failures=int(totals["auth_failures"]),
        rate_limit_hits=int(totals["rate_limit_hits"]),
        total_requests=int(totals["requests"]),
        cache_outages=int(totals["cache_outages"]),
        active_keys=count_active_keys(),
        revoked_keys=count_revoked_keys(),
    )


def counted_over(window: timedelta | None, *names: str) -> Totals:
    return since_start() if window is None else Windows(names).over(window)


def get_trading_kpis(window: timedelta | None) -> TradingKpis:
    """Return what was traded, and what is at stake now."""
    return TradingKpis(
        **(traded_ever() if window is None else traded_over(window)),
        open_positions=open_positions().count(),
        open_interest=open_interest(),
        global_exposure=global_exposure(),
        global_exposure_threshold=get_policy().global_exposure_threshold,
        insurance_fund=insurance_fund_balance(),
        bad_debt=total_bad_debt(),
    )


def traded_ever() -> dict[str, int]:
    orders = count_ever(Order)
    return {
        "total_orders": orders.rows,
        "rejected_orders": orders.rejected,
        "total_trades": count_ever(Trade).rows,
        "liquidation_events": count_ever(Liquidation).rows,
    }


def traded_over(window: timedelta) -> dict[str, int]:
    totals = Windows(TRADED).over(window)
    return {
        "total_orders": int(totals["orders_accepted"] + totals["orders_rejected"]),
        "rejected_orders": int(totals["orders_rejected"]),
        "total_trades": int(totals["trades"]),
        "liquidation_events": int(totals["liquidations"]),
    }
