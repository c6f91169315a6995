"""What orders may do in each state of the exchange, an instrument, an account and a tier."""

import json
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from accounts.models import Account, User
from accounts.services import resume_account, set_account_state, suspend_account
from kpi.audit.models import AuditRecord
from kpi.stream.models import StreamEvent
from market.kernel.errors import ReasonRequired
from market.kernel.states import TradingState
from market.models import HaltOutcome, Instrument, PriceOrigin
from market.quotes import Quote
from market.selectors import open_price_halt
from market.services import (
    halt_instrument,
    halt_on_quote,
    release_instrument,
    resume_instrument,
    set_instrument_state,
)
from risk.models import LeverageLimit, RiskPolicy
from risk.policy_history import policies_after
from risk.selectors import policy_in_force
from risk.services import set_tier_state, set_trading_state
from tests.each import each
from tests.trading.conftest import Marks, Trader, order, state_of
from trading.liquidation.sweep import sweep_liquidations
from trading.models import Order, OrderStatus
from trading.services import close_position

D = Decimal
ACTIVE, REDUCING, HALTED = TradingState

Set = Callable[[User, TradingState], None]
#: Whose state it is, and what sets it.
LEVELS: dict[str, Set] = {
    "The exchange": lambda user, state: set_trading_state(state=state, reason="A test"),
    "This account": lambda user, state: set_account_state(
        account=user.account, state=state, reason="A test"
    ),
    "Your tier": lambda user, state: set_tier_state(
        limit=LeverageLimit.objects.get(tier=user.tier), state=state, reason="A test"
    ),
    "This instrument": lambda user, state: set_instrument_state(
        instrument=Instrument.objects.get(symbol="BTCUSDT"), state=state, reason="A test"
    ),
}


@each("whose", LEVELS)
def test_reducing_lets_positions_shrink_and_never_grow(
    trader: Trader, marks: Marks, whose: str
) -> None:
    """Resting orders act as reduce-only ones; with nothing to reduce they expire."""
    user, other = trader("20000"), trader("10000")
    order(user, "buy", "0.3")
    opens = order(other, "buy", "0.1", price="64000")
    closes = order(user, "sell", "0.25", price="66000")
    LEVELS[whose](user, REDUCING)
    LEVELS[whose](other, REDUCING)
    for refused in (order(user, "buy", "0.1"), order(user, "sell", "0.30001")):
        assert (refused.status, refused.reject_code) == (OrderStatus.REJECTED, "reducing_only")
        assert refused.reject_detail.startswith(f"{whose} is in REDUCING")
    assert order(user, "sell", "0.1").status == OrderStatus.FILLED
    assert order(user, "sell", "0.5", price="90000", reduce_only=True).status == OrderStatus.NEW
    marks(BTCUSDT="64000")
    ended = Order.objects.get(pk=opens.pk)
    assert (ended.status, ended.reject_code) == (OrderStatus.EXPIRED, "reducing_only")
    marks(BTCUSDT="66000")
    filled = Order.objects.get(pk=closes.pk)
    assert (filled.status, filled.filled_size) == (OrderStatus.FILLED, D("0.2"))
    assert state_of(user).positions == {}
    LEVELS[whose](user, ACTIVE)
    assert order(user, "buy", "0.1").status == OrderStatus.FILLED


@each("whose", LEVELS)
def test_what_is_open_can_be_closed_and_closed_out_in_reducing(
    trader: Trader, marks: Marks, whose: str
) -> None:
    user, ruined = trader("10000"), trader("10000")
    order(user, "sell", "0.1")
    order(ruined, "buy", "1")
    LEVELS[whose](user, REDUCING)
    LEVELS[whose](ruined, REDUCING)
    assert close_position(user_id=user.pk, symbol="BTCUSDT").order.status == OrderStatus.FILLED
    marks(BTCUSDT="57000")
    assert sweep_liquidations().liquidations == []
    assert state_of(ruined).positions == {}


def test_users_of_a_halted_tier_only_reduce_what_rests(trader: Trader, marks: Marks) -> None:
    user, free = trader(tier="beginner"), trader(tier="advanced")
    opens = order(user, "buy", "0.1", price="64000")
    LEVELS["Your tier"](user, HALTED)
    assert order(user, "buy", "0.1").reject_code == "tier_halted"
    assert order(free, "buy", "0.1").status == OrderStatus.FILLED
    marks(BTCUSDT="64000")
    ended = Order.objects.get(pk=opens.pk)
    assert (ended.status, ended.reject_code) == (OrderStatus.EXPIRED, "tier_halted")


def test_a_halt_and_its_end_leave_no_reducing_behind(trader: Trader) -> None:
    user = trader()
    instrument = Instrument.objects.get(symbol="BTCUSDT")
    halts = (
        (
            partial(set_trading_state, state=HALTED),
            partial(set_trading_state, state=ACTIVE),
            {},
        ),
        (suspend_account, resume_account, {"account": user.account}),
        (halt_instrument, resume_instrument, {"instrument": instrument}),
    )
    for whose in LEVELS:
        LEVELS[whose](user, REDUCING)
    for halt, resume, what in halts:
        halt(reason="A test", **what)  # type: ignore[operator]
        resume(reason="A test", **what)  # type: ignore[operator]
    LEVELS["Your tier"](user, ACTIVE)
    assert order(user, "buy", "0.1").status == OrderStatus.FILLED


def test_a_quote_halts_above_what_staff_have_set(trader: Trader) -> None:
    """Its release leaves the instrument as they have it, meanwhile or before."""
    user, instrument = trader(), Instrument.objects.get(symbol="BTCUSDT")

    def refuse_quote() -> None:
        leap = Quote(D(1), PriceOrigin.SIMULATION)
        now = instrument.marked_at
        assert now is not None
        assert halt_on_quote(instrument=instrument, quote=leap, collar=D("0.3"), now=now)

    def release() -> TradingState:
        halt = open_price_halt(instrument=instrument)
        assert halt is not None
        assert order(user, "buy", "0.1").reject_code == "instrument_halted"
        release_instrument(halt=halt, outcome=HaltOutcome.KEPT, reason="A test")
        instrument.refresh_from_db()
        return instrument.state

    set_instrument_state(instrument=instrument, state=REDUCING, reason="A test")
    refuse_quote()
    assert release() == REDUCING
    for state in (ACTIVE, HALTED):
        set_instrument_state(instrument=instrument, state=state, reason="A test")
        refuse_quote()
        set_instrument_state(instrument=instrument, state=REDUCING, reason="A test")
        assert release() == REDUCING
    refuse_quote()
    set_instrument_state(instrument=instrument, state=HALTED, reason="A test")
    assert release() == HALTED


def test_a_state_has_a_reason_a_history_and_a_record(trader: Trader, clerk: User) -> None:
    user = trader(tier="beginner")
    for set_state in LEVELS.values():
        set_state(user, REDUCING)
    policy, limit = RiskPolicy.objects.get(), LeverageLimit.objects.get(tier="beginner")
    instrument = Instrument.objects.get(symbol="BTCUSDT")
    for row in (policy, limit, instrument):
        assert row.history.first().history_change_reason == "A test"  # type: ignore[attr-defined]
    seen = policies_after([limit.history.first().history_date])  # type: ignore[attr-defined]
    assert list(seen.values()) == [policy_in_force()]
    record = AuditRecord.objects.get(kind="account_change")
    assert record.details == {
        "before": {"reducing": "false"},
        "after": {"reducing": "true"},
        "reason": "A test",
    }
    with pytest.raises(ReasonRequired):
        set_account_state(account=user.account, state=HALTED, reason=" ", by=clerk)
    assert Account.objects.get(user=user).state == REDUCING


def test_the_stream_tells_of_states(trader: Trader) -> None:
    """A halt is told as ever, and the state besides where REDUCING begins or ends."""
    user = trader(tier="beginner")
    StreamEvent.objects.all().delete()
    for whose in LEVELS:
        for state in (REDUCING, HALTED, ACTIVE, HALTED):
            LEVELS[whose](user, state)
    told: dict[str, list[Any]] = {}
    for event in StreamEvent.objects.filter(channel="halts").order_by("id"):
        detail = json.loads(event.detail) if isinstance(event.detail, str) else event.detail
        assert (event.account_id is not None) == (detail["scope"] == "account")
        told.setdefault(detail["scope"], []).append((detail["halted"], detail.get("state")))
    plain = [(False, "REDUCING"), (True, "HALTED"), (False, None), (True, None)]
    tier = [(False, "REDUCING"), (True, "HALTED"), (False, "ACTIVE"), (True, "HALTED")]
    assert told == {"exchange": plain, "account": plain, "tier": tier, "instrument": plain}
