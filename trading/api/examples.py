"""Example bodies and answers of the trading endpoints, for the OpenAPI document."""

from typing import Any, Final

from drf_spectacular.utils import OpenApiExample

from market.examples import answer

NOTHING_TO_SAY: Final = OpenApiExample("nothing to say", value={}, request_only=True)
BATCH_EXAMPLE: Final = OpenApiExample(
    "two orders",
    value={
        "orders": [
            {"symbol": "BTCUSDT", "side": "buy", "size": "0.01"},
            {"symbol": "ETHUSDT", "side": "sell", "size": "0.5", "leverage": 2},
        ]
    },
    request_only=True,
)

CLOSING_EXAMPLE: Final = answer(
    "closed",
    {
        "order": {
            "order_id": 18,
            "client_order_id": None,
            "user_id": 1,
            "symbol": "BTCUSDT",
            "side": "sell",
            "type": "market",
            "size": "0.10000000",
            "filled_size": "0.10000000",
            "leverage": 5,
            "price": "65012.75000000",
            "average_price": "65012.75000000",
            "reduce_only": True,
            "status": "FILLED",
            "reject_code": None,
            "created_at": "2026-01-05T12:00:01.250000Z",
        },
        "required_margin": "0.00000000",
        "user_exposure_after": "0.00000000",
        "global_exposure_after": "6501.27500000",
    },
)
CANCEL_ALL_EXAMPLE: Final = answer(
    "canceled", {"canceled": [19, 23], "count": 2, "not_canceled": []}
)
LIMITS: Final[dict[str, Any]] = {
    "user_id": 1,
    "tier": "beginner",
    "max_leverage": 5,
    "user_exposure": {
        "limit": "5000000.00000000",
        "used": "6500.00000000",
        "left": "4993500.00000000",
    },
    "global_exposure": {
        "limit": "10000000.00000000",
        "used": "13000.00000000",
        "left": "9987000.00000000",
    },
    "open_orders": {"limit": 200, "used": 1, "left": 199},
    "requests": {"limit": 100, "left": 87, "reset": 1767614430},
    "orders": {"limit": 600, "left": 598, "reset": 1767614430},
}
LIMITS_EXAMPLE: Final = answer("limits", LIMITS)
LIMITS_BY_CONTROLS: Final = answer(
    "limits while controls of orders are on",
    {
        **LIMITS,
        "price_band": "0.05000000",
        "duplicate_seconds": 2,
        "minute_value": {
            "limit": "100000.00000000",
            "used": "6500.00000000",
            "left": "93500.00000000",
        },
        "fills": {"limit": 50, "used": 1, "left": 49, "window_seconds": 60},
        "request_weights": {"GET /kpi/history": 5, "POST /orders": 2},
    },
)
LIMITS_BY_BRACKETS: Final = answer(
    "limits by maintenance brackets",
    {
        **LIMITS,
        "maintenance_brackets": {
            "BTCUSDT": [
                {
                    "cap": "300000.00000000",
                    "rate": "0.00400000",
                    "max_leverage": 150,
                    "cumulative": "0.00000000",
                },
                {
                    "cap": "800000.00000000",
                    "rate": "0.00500000",
                    "max_leverage": 100,
                    "cumulative": "300.00000000",
                },
            ]
        },
    },
)
LIMITS_THROTTLED: Final = answer(
    "limits of an account that filled too often",
    {**LIMITS, "state": "REDUCING", "throttled": "50 fills in 60 s"},
)
LIMITS_BY_VOLATILITY: Final = answer(
    "limits while BTCUSDT ranges widely",
    {**LIMITS, "leverage_by_symbol": {"BTCUSDT": 3, "ETHUSDT": 5}},
)
