"""Each check of an order lets pass what is at its limit and refuses what is a step beyond it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from risk.denials import Denial
from risk.engine import Approval, Intent, check_order
from risk.state import AccountState, InstrumentState, Limits, RiskState

D = Decimal
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
INSTRUMENT: dict[str, Any] = {
    "id": 1,
    "symbol": "BTCUSDT",
    "tick_size": D("0.01"),
    "lot_size": D("0.00001"),
    "min_notional": D(5),
    "maker_fee_rate": D("0.001"),
    "taker_fee_rate": D("0.002"),
    "halted": False,
    "mark_price": D(50_000),
    "marked_at": NOW,
}
LIMITS: dict[str, Any] = {
    "trading_halted": False,
    "suspended": False,
    "max_mark_age_seconds": 60,
    "max_open_orders": 3,
    "max_leverage": 10,
    "user_exposure_limit": D(20_000),
    "global_exposure_threshold": D(1_000_000),
    "liquidation_threshold": D("0.5"),
    "liquidation_mode": "full",
    "liquidation_fee_rate": D(0),
}


@dataclass
class Case:
    """A buy of 0.1 at a mark of 50,000 by an account with 10,000 USDT, but for what is named."""

    size: str = "0.1"
    price: str | None = None
    balance: str = "10000"
    reserved_notional: str = "0"
    open_orders: int = 0
    limits: dict[str, Any] = field(default_factory=dict)
    instrument: dict[str, Any] = field(default_factory=dict)

    def decide(self) -> Approval | Denial:
        account = AccountState(1, 1, D(self.balance), reserved_notional=D(self.reserved_notional))
        limits = Limits(**{**LIMITS, **self.limits})
        instrument = InstrumentState(**{**INSTRUMENT, **self.instrument})
        price = None if self.price is None else D(self.price)
        intent = Intent("BTCUSDT", is_buy=True, size=D(self.size), price=price)
        return check_order(intent, RiskState(account, limits, instrument, self.open_orders), NOW)


def marked(seconds_ago: float) -> dict[str, Any]:
    return {"marked_at": NOW - timedelta(seconds=seconds_ago)}


@pytest.mark.parametrize(
    ("code", "at_the_limit", "beyond"),
    [
        (
            "stale_price",
            Case(instrument=marked(60)),
            Case(instrument=marked(60.000001)),
        ),
        (
            "below_min_notional",
            Case(size="0.0001"),
            Case(size="0.0001", instrument={"min_notional": D("5.00000001")}),
        ),
        (
            "below_min_notional",
            Case(size="0.00025", price="20000"),
            Case(size="0.00025", price="19999.99"),
        ),
        (
            "too_many_open_orders",
            Case(price="40000", open_orders=2),
            Case(price="40000", open_orders=3),
        ),
        # 0.1 × 50,000 ÷ 10 and a fee of 0.1 × 50,000 × 0.002
        ("insufficient_margin", Case(balance="510"), Case(balance="509.99999999")),
        # 0.1 × 40,000 ÷ 10 and a fee of 0.1 × 40,000 × 0.001
        (
            "insufficient_margin",
            Case(price="40000", balance="404"),
            Case(price="40000", balance="403.99999999"),
        ),
        (
            "user_exposure_exceeded",
            Case(reserved_notional="15000"),
            Case(reserved_notional="15000.00000001"),
        ),
        (
            "user_exposure_exceeded",
            Case(price="40000", reserved_notional="16000"),
            Case(price="40000", reserved_notional="16000.00000001"),
        ),
    ],
)
def test_a_limit_belongs_to_what_it_allows(code: str, at_the_limit: Case, beyond: Case) -> None:
    assert isinstance(at_the_limit.decide(), Approval)
    refused = beyond.decide()
    assert isinstance(refused, Denial)
    assert refused.code == code
