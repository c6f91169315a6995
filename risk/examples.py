"""Example answers of the account endpoints, for the OpenAPI document."""

from typing import Final

from market.examples import answer

POSITION_EXAMPLE: Final = answer(
    "position",
    {
        "position_id": 17,
        "user_id": 1,
        "symbol": "BTCUSDT",
        "quantity": "0.10000000",
        "entry_price": "65000.00000000",
        "mark_price": "65012.75000000",
        "notional": "6501.27500000",
        "margin": "1300.00000000",
        "leverage": 5,
        "unrealized_pnl": "1.27500000",
        "realized_pnl": "0.00000000",
        "liquidation_price": None,
        "liquidated": False,
        "status": "OPEN",
        "opened_at": "2026-01-05T12:00:00.250000Z",
        "closed_at": None,
    },
)
