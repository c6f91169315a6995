"""An account's figures follow from its balance, its positions and what its orders reserve."""

from dataclasses import FrozenInstanceError, replace
from decimal import Decimal
from typing import Any

import pytest

from risk.closing import close_out
from risk.denials import Denial
from risk.engine import Approval, Candidate, Intent
from risk.execution import execute
from risk.exposure import ExposureChange
from risk.fills import Holding, apply_fill
from risk.maintenance import BRACKETS, Bracket, Requirement
from risk.state import (
    FLAT,
    AccountState,
    InstrumentState,
    Limits,
    OpenPosition,
    RiskSnapshot,
    RiskState,
    Sent,
)
from risk.throttle import Filled
from risk.what_if import close_out_in_turn

D = Decimal
HALF = Requirement(D("0.5"))
LONG = OpenPosition(
    id=1,
    instrument_id=1,
    symbol="BTCUSDT",
    holding=Holding(D(2), D(200), D(20)),
    leverage=10,
    realized_pnl=D(0),
    mark_price=D(110),
)
SHORT = OpenPosition(
    id=2,
    instrument_id=2,
    symbol="ETHUSDT",
    holding=Holding(D(-3), D(-60), D(12)),
    leverage=5,
    realized_pnl=D(0),
    mark_price=D(30),
)
ACCOUNT = AccountState(
    account_id=1,
    user_id=1,
    balance=D(100),
    positions={1: LONG, 2: SHORT},
    reserved_margin=D(8),
    reserved_notional=D(40),
)


def test_the_figures_of_an_account() -> None:
    assert (LONG.notional, SHORT.notional) == (D(220), D(90))
    assert (LONG.unrealized_pnl, SHORT.unrealized_pnl) == (D(20), D(-30))
    assert ACCOUNT.unrealized_pnl == D(-10)
    assert ACCOUNT.equity == D(90)
    assert ACCOUNT.position_margin == D(32)
    assert ACCOUNT.margin_used == D(40)
    assert ACCOUNT.available_margin == D(50)
    assert ACCOUNT.margin_ratio == D("2.8125")
    assert ACCOUNT.exposure == D(350)


def test_an_account_without_positions() -> None:
    flat = AccountState(account_id=1, user_id=1, balance=D(100))
    assert flat.equity == flat.available_margin == D(100)
    assert (flat.margin_ratio, flat.exposure, flat.margin_used) == (None, 0, 0)
    assert flat.holding(1) == FLAT == Holding(D(0), D(0), D(0))


def test_the_holding_is_that_of_the_instrument() -> None:
    assert ACCOUNT.holding(2) == SHORT.holding


def test_breach_and_liquidation_price_are_those_of_the_whole_account() -> None:
    assert not ACCOUNT.is_in_breach(HALF)
    # 90 − 16 = 74 may be lost: 37 by each of the two held long, 74 ÷ 3 by each of the three sold.
    assert ACCOUNT.liquidation_price(LONG, HALF) == D(73)
    assert ACCOUNT.liquidation_price(SHORT, HALF) == D("54.66666667")
    fallen = replace(ACCOUNT, positions={1: replace(LONG, mark_price=D("72.99")), 2: SHORT})
    assert fallen.is_in_breach(HALF)


def test_by_brackets_breach_and_liquidation_price_follow_the_notional() -> None:
    """BTCUSDT at 110 is worth 220 and requires 100 × 0.1 + 120 × 0.3; ETHUSDT has no ladder."""
    by = Requirement(D("0.5"), BRACKETS, "BTCUSDT 100: 0.1 5x, 900: 0.3 2x")
    assert ACCOUNT.required(by) == D(46) + D(6)
    # 90 at 110, and 2 × (110 − p) less: 46 − 2 × 0.3 × (110 − p) are required as long as 2p > 100.
    assert ACCOUNT.liquidation_price(LONG, by) == D("82.85714286")
    # 38 may be lost by the three sold, whose share stays what it is.
    assert ACCOUNT.liquidation_price(SHORT, by) == D("42.66666667")
    for mark, breach in (("82.85", True), ("82.86", False)):
        fallen = replace(ACCOUNT, positions={1: replace(LONG, mark_price=D(mark)), 2: SHORT})
        assert fallen.is_in_breach(by) is breach


def test_a_snapshot_faces_an_order_with_the_account_as_it_is_by_now(limits: Limits) -> None:
    snapshot = RiskSnapshot(ACCOUNT, limits, {})
    later = replace(ACCOUNT, balance=D(1))
    assert snapshot.facing("NOSUCH", later, 5) == RiskState(later, limits, None, 5)


@pytest.mark.parametrize(
    ("balance", "leverage"),
    [("165", 2), ("10.5", 620), ("10", None), ("9", None)],
)
def test_positions_are_levered_by_equity_if_there_is_any(
    balance: str, leverage: int | None
) -> None:
    """310 of notional, on the balance less 10."""
    assert replace(ACCOUNT, balance=D(balance)).effective_leverage == leverage


def test_what_is_accepted_adds_to_what_was_sent() -> None:
    assert Sent(D(5), D(20)).plus(D(7)) == Sent(D(12), D(27))


@pytest.fixture
def limits() -> Limits:
    return Limits(
        trading_halted=False,
        suspended=False,
        max_mark_age_seconds=60,
        max_open_orders=1,
        max_leverage=10,
        user_exposure_limit=D(1),
        global_exposure_threshold=D(1),
        liquidation_threshold=D("0.5"),
        liquidation_mode="full",
        liquidation_fee_rate=D(0),
    )


def values(limits: Limits) -> list[Any]:
    """One value of every kind that a decision looks at or makes."""
    instrument = InstrumentState(
        *(1, "BTCUSDT", D(1), D(1), D(1), D(0), D(0), False, None, None),
    )
    state = RiskState(ACCOUNT, limits, instrument, 0)
    intent = Intent("BTCUSDT", is_buy=True, size=D(1))
    execution = execute(FLAT, D(1), price=D(1), leverage=1, fee_rate=D(0), reduce_only=False)
    approval = Approval(1, None, D(0), D(0), D(0), ExposureChange(), D(0))
    closed = close_out(ACCOUNT, limits, {})
    what_if = close_out_in_turn([ACCOUNT], limits, {}, fund=D(0))
    return [
        *(ACCOUNT, LONG, FLAT, limits, instrument, state, intent, execution, approval),
        *(RiskSnapshot(ACCOUNT, limits, {}), Candidate(intent, state, None)),  # type: ignore[arg-type]
        *(ExposureChange(), apply_fill(FLAT, D(1), D(1), 1), Denial("code", "detail")),
        *(Filled(0, 2, ()), Sent(D(0), D(0)), closed, closed.before, closed.closings[0]),
        *(what_if, what_if.closed[0], HALF, Bracket(D(1), D("0.1"), 5, D(0))),
    ]


def test_nothing_that_a_decision_rests_on_can_be_changed_after_it(limits: Limits) -> None:
    for value in values(limits):
        with pytest.raises(FrozenInstanceError):
            setattr(value, type(value).__slots__[0], None)
