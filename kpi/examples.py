"""Example answers of the KPI and health endpoints, for the OpenAPI document."""

from typing import Any, Final

from drf_spectacular.utils import OpenApiExample

from kpi.history.figures import METRICS
from kpi.history.windows import WINDOWS


def answer(name: str, body: dict[str, Any], *, status: int = 200) -> OpenApiExample:
    return OpenApiExample(name, value=body, response_only=True, status_codes=[str(status)])


def asked(metric: str, window: str) -> dict[str, Any]:
    """Return the head of a history."""
    seconds = WINDOWS[window].interval
    unit = METRICS[metric].unit
    return {"metric": metric, "window": window, "unit": unit, "interval_seconds": seconds}


SYSTEM_EXAMPLE: Final = answer(
    "system",
    {
        "latency_ms": 9.4,
        "latency_p50_ms": 7.1,
        "latency_p95_ms": 21.8,
        "latency_p99_ms": 44.0,
        "error_rate": 0.013,
        "uptime": 0.9995,
        "requests": 48211,
        "window_seconds": 3605.2,
    },
)
TRADING_EXAMPLE: Final = answer(
    "trading",
    {
        "total_orders": 1204,
        "rejected_orders": 31,
        "total_trades": 1167,
        "liquidation_events": 2,
        "open_positions": 57,
        "open_interest": [{"symbol": "BTCUSDT", "long": 812500.0, "short": 143000.0}],
        "global_exposure": 955500.0,
        "global_exposure_threshold": 10000000.0,
        "insurance_fund": 250000.0,
        "bad_debt": 0.0,
        "exact": {
            "open_interest": [
                {"symbol": "BTCUSDT", "long": "812500.00000000", "short": "143000.00000000"}
            ],
            "global_exposure": "955500.00000000",
            "global_exposure_threshold": "10000000.00000000",
            "insurance_fund": "250000.00000000",
            "bad_debt": "0.00000000",
        },
    },
)
SECURITY_EXAMPLE: Final = answer(
    "security",
    {
        "auth_failures": 12,
        "rate_limit_hits": 40,
        "total_requests": 48211,
        "cache_outages": 0,
        "active_keys": 3,
        "revoked_keys": 1,
    },
)
HISTORY_EXAMPLE: Final = answer(
    "history",
    {
        **asked("latency_p95_ms", "1h"),
        "points": [
            {"timestamp": "2026-01-05T12:00:00Z", "value": 21.8},
            {"timestamp": "2026-01-05T12:00:15Z", "value": None},
        ],
    },
)
INSTRUMENT_HISTORY_EXAMPLE: Final = answer(
    "history by instrument",
    {
        **asked("open_interest_long", "24h"),
        "series": [
            {
                "symbol": "BTCUSDT",
                "points": [{"timestamp": "2026-01-05T12:00:00Z", "value": 812500.0}],
            }
        ],
    },
)
HEALTH_EXAMPLE: Final = answer(
    "ok",
    {"status": "ok", "database": "ok", "cache": "ok", "worker": "ok", "version": "0.2.0"},
)
OUTAGE_EXAMPLE: Final = answer(
    "unavailable",
    {
        "status": "unavailable",
        "database": "unavailable",
        "cache": "ok",
        "worker": "unavailable",
        "version": "0.2.0",
    },
    status=503,
)
