"""Example answers of the market endpoints, for the OpenAPI document."""

from typing import Any, Final

from drf_spectacular.utils import OpenApiExample


def answer(name: str, body: dict[str, Any]) -> OpenApiExample:
    """Return the example of a 200; the schema makes a list of it where the answer is one."""
    return OpenApiExample(name, value=body, response_only=True, status_codes=["200"])


TIME_EXAMPLE: Final = answer(
    "time", {"time": "2026-01-05T12:00:00.250000Z", "epoch_ms": 1767614400250}
)
PRICE_EXAMPLE: Final = answer(
    "price",
    {
        "symbol": "BTCUSDT",
        "price": "65000.00000000",
        "timestamp": "2026-01-05T12:00:00.250000Z",
        "source": "simulation",
    },
)
INSTRUMENT_EXAMPLE: Final = answer(
    "instrument",
    {
        "symbol": "BTCUSDT",
        "base_asset": "BTC",
        "quote_asset": "USDT",
        "tick_size": "0.01000000",
        "lot_size": "0.00001000",
        "min_notional": "5.00000000",
        "maker_fee_rate": "0.00000000",
        "taker_fee_rate": "0.00000000",
        "halted": False,
    },
)
CANDLE_EXAMPLE: Final = answer(
    "candle",
    {
        "open_time": "2026-01-05T12:00:00Z",
        "open": "65000.00000000",
        "high": "65031.50000000",
        "low": "64988.20000000",
        "close": "65012.75000000",
        "ticks": 60,
        "volume": "0.00000000",
    },
)
