"""By brackets nobody opens what would be closed out at the same marks."""

from dataclasses import dataclass, replace
from decimal import Decimal

from hypothesis import assume, event, given
from hypothesis import strategies as st

from market.kernel.amounts import EXACT, UNIT, ZERO, round_up
from risk.brackets import opens_below_maintenance
from risk.denials import Denial
from risk.engine import Approval, Intent, check_order
from risk.execution import Execution, execute
from risk.fills import Holding
from risk.maintenance import BRACKETS
from risk.state import AccountState, InstrumentState, Limits, OpenPosition, RiskState
from tests.each import each
from tests.risk.test_engine import INSTRUMENT, LIMITS, NOW

D = Decimal
sizes = st.decimals("0.00001", "100", places=5)
LOT = D("0.00001")
prices = st.decimals("1", "100000", places=2)


@dataclass
class Case:
    """An account that holds something, or nothing, and wants a market order."""

    account: AccountState
    instrument: InstrumentState
    limits: Limits
    intent: Intent

    def decide(self) -> Approval | Denial:
        return check_order(
            self.intent, RiskState(self.account, self.limits, self.instrument, 0), NOW
        )

    def executed(self, price: Decimal) -> Execution:
        assert self.intent.leverage is not None
        return execute(
            self.account.holding(1),
            self.intent.signed(self.intent.size),
            price=price,
            leverage=self.intent.leverage,
            fee_rate=self.instrument.taker_fee_rate,
            reduce_only=False,
        )

    def after(self, execution: Execution) -> AccountState:
        """Return the account as the execution leaves it, at unmoved marks."""
        assert self.instrument.mark_price is not None
        paid = execution.fill.realized_pnl - execution.fee
        left = position(1, "BTCUSDT", execution.fill.holding, self.instrument.mark_price)
        return replace(
            self.account,
            balance=self.account.balance + paid,
            positions={**self.account.positions, 1: left},
        )

    def with_slack(self, units: int, execution: Execution) -> "Case":
        """Return the case with so many units more, or less, than it then requires at the least."""
        after, by = self.after(execution), self.limits.requirement
        missing = round_up(EXACT.subtract(after.required(by), after.equity)) + units * UNIT
        balance = self.account.balance + missing
        assume(balance + execution.fill.realized_pnl >= execution.fee and balance >= 0)
        return replace(self, account=replace(self.account, balance=balance))


def position(number: int, symbol: str, holding: Holding, mark: Decimal) -> OpenPosition:
    return OpenPosition(number, number, symbol, holding, 1, ZERO, mark)


@st.composite
def ladders(draw: st.DrawFn) -> str:
    """Three brackets, of which each requires at its leverage what opens, up to any cap."""
    first, second = sorted(draw(st.sets(st.integers(1, 10**6), min_size=2, max_size=2)))
    return f"{first}: 0.05 20x, {second}: 0.14285714 7x, 999999999: 0.25 4x"


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Positions of little margin, as marks may have moved, and ladders become stricter."""
    positions, marks = {}, {}
    said = "; ".join(f"{symbol} {draw(ladders())}" for symbol in ("BTCUSDT", "ETHUSDT"))
    for number, symbol in enumerate(("BTCUSDT", "ETHUSDT"), start=1):
        marks[symbol] = draw(prices)
        quantity = draw(st.sampled_from([-1, 0, 1])) * draw(sizes)
        cost = quantity * draw(st.decimals("0.9", "1.1", places=1)) * marks[symbol]
        margin = (abs(cost) / draw(st.integers(10, 100))).quantize(UNIT)
        if quantity:
            held = Holding(quantity, cost, margin)
            positions[number] = position(number, symbol, held, marks[symbol])
    limits = {
        "max_leverage": 200,
        "user_exposure_limit": D(10**15),
        "margin_mode": BRACKETS,
        "maintenance_brackets": said,
    }
    return Case(
        account=AccountState(1, 1, D(10**9), positions),
        instrument=InstrumentState(
            **{
                **INSTRUMENT,
                "min_notional": ZERO,
                "mark_price": marks["BTCUSDT"],
                "taker_fee_rate": draw(st.sampled_from([ZERO, D("0.00045679")])),
            }
        ),
        limits=Limits(**{**LIMITS, **limits}),
        intent=Intent(
            "BTCUSDT",
            draw(st.booleans()),
            draw(sizes) / 10 // LOT * LOT + LOT,
            None,
            draw(st.sampled_from([4, 4, 3])),
        ),
    )


@each(("balance", "code"), [("145.5", ""), ("145.49999999", "below_maintenance")])
def test_what_positions_require_together_belongs_to_what_is_allowed(
    balance: str, code: str
) -> None:
    """A twentieth of 910 USDT, of which 90 are lost, and of 200, half of them to buy: 55.5.

    What is held of the instrument counts in that, once: ids are numbers, however large.
    """
    positions = {
        1000: position(1000, "ETHUSDT", Holding(D(10), D(1_000), D(10)), D(91)),
        1001: position(1001, "BTCUSDT", Holding(D(1), D(100), D(10)), D(100)),
    }
    traded = {"id": int("1001"), "mark_price": D(100), "taker_fee_rate": ZERO}
    case = Case(
        account=AccountState(1, 1, D(balance), positions),
        instrument=InstrumentState(**{**INSTRUMENT, **traded, "min_notional": ZERO}),
        limits=Limits(
            **{
                **LIMITS,
                "margin_mode": BRACKETS,
                "maintenance_brackets": "BTCUSDT 1000: 0.05 20x; ETHUSDT 1000: 0.05 20x",
            }
        ),
        intent=Intent("BTCUSDT", True, D(1), None, 4),
    )
    decision = case.decide()
    assert (decision.code if isinstance(decision, Denial) else "") == code


@given(cases(), st.integers(-2, 2))
def test_an_order_is_accepted_down_to_what_its_account_then_requires(
    case: Case, units: int
) -> None:
    """And no further, to the unit, where it brings its initial margin and is in its bracket."""
    assert case.instrument.mark_price is not None
    execution = case.executed(case.instrument.mark_price)
    assume(execution.fill.opened_size)
    near = case.with_slack(units, execution)
    decision = near.decide()
    code = decision.code if isinstance(decision, Denial) else ""
    event(code or "accepted")
    if isinstance(decision, Approval):
        assert decision.execution == execution
        assert not near.after(execution).is_in_breach(case.limits.requirement)
    if code in {"", "below_maintenance"}:
        assert (code == "") == (units >= 0)


@given(cases(), prices, st.integers(-2, 2))
def test_a_fill_at_another_price_is_asked_for_what_it_leaves_at_the_marks(
    case: Case, price: Decimal, units: int
) -> None:
    execution, by = case.executed(price), case.limits.requirement
    near = case.with_slack(units, execution)
    denial = opens_below_maintenance(near.account, execution, near.instrument, by)
    breach = near.after(execution).is_in_breach(by)
    assert breach == (units < 0)
    assert (denial is not None) == (breach and execution.fill.opened_size > 0)
