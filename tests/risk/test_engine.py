"""Each check of an order lets pass what is at its limit and refuses what is a step beyond it."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from risk.denials import Denial
from risk.engine import Approval, Candidate, Intent, check_order, check_resting, value_sent
from risk.exposure import ExposureChange
from risk.fills import Holding
from risk.state import AccountState, InstrumentState, Limits, OpenPosition, RiskState
from tests.each import each

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
BANDS: dict[str, Any] = {"volatility_bands": "0.03: 0.75, 0.06: 0.5"}


@dataclass
class Case:
    """A buy of 0.1 at a mark of 50,000 by an account with 10,000 USDT, but for what is named."""

    size: str = "0.1"
    price: str | None = None
    balance: str = "10000"
    reserved_notional: str = "0"
    held: str = "0"
    is_buy: bool = True
    leverage: int | None = None
    reduce_only: bool = False
    open_orders: int = 0
    goes_out: bool = False
    limits: dict[str, Any] = field(default_factory=dict)
    instrument: dict[str, Any] = field(default_factory=dict)

    def asked(self) -> tuple[Intent, RiskState]:
        instrument = InstrumentState(**{**INSTRUMENT, **self.instrument})
        intent = Intent(
            "BTCUSDT",
            is_buy=self.is_buy,
            size=D(self.size),
            price=None if self.price is None else D(self.price),
            leverage=self.leverage,
            reduce_only=self.reduce_only,
        )
        limits = Limits(**{**LIMITS, **self.limits})
        return intent, RiskState(self.account(), limits, instrument, self.open_orders)

    def decide(self) -> Approval | Denial:
        return check_order(*self.asked(), NOW, goes_out=self.goes_out)

    def sent(self) -> Decimal:
        return value_sent(*self.asked(), NOW, goes_out=self.goes_out)

    def account(self) -> AccountState:
        """With a position that was opened at the mark, at a leverage of 10, or none."""
        quantity, mark = D(self.held), INSTRUMENT["mark_price"]
        holding = Holding(quantity, quantity * mark, abs(quantity) * mark / 10)
        position = OpenPosition(1, 1, "BTCUSDT", holding, 10, D(0), mark)
        return AccountState(
            account_id=1,
            user_id=1,
            balance=D(self.balance),
            positions={1: position} if quantity else {},
            reserved_notional=D(self.reserved_notional),
        )

    def approved(self) -> Approval:
        approval = self.decide()
        assert isinstance(approval, Approval), approval
        return approval

    def denied(self) -> Denial:
        denial = self.decide()
        assert isinstance(denial, Denial), denial
        return denial


def most(value: str) -> dict[str, Any]:
    return {"max_order_value": D(value)}


def moving(share: str, **rest: Any) -> Case:
    """A case in bands, whose instrument has a range; the tier's leverage is 10."""
    return Case(limits=BANDS, instrument={"realized_range": D(share)}, **rest)


def by_brackets(ladder: str = "5000: 0.01 8x, 9000: 0.02 4x", **rest: Any) -> Case:
    """A case by brackets, in which a leverage of 4 is asked for unless another is named."""
    limits = {"margin_mode": "brackets", "maintenance_brackets": f"BTCUSDT {ladder}"}
    return Case(limits=limits, **{"leverage": 4, **rest})


#: A ladder whose first bracket ends just below what a case is worth.
LESS = "4999: 0.01 8x, 9000: 0.02 4x"
#: One by which a position that was opened at 10x requires twice its margin.
STRICT = "99999: 0.2 5x"


def marked(seconds_ago: float) -> dict[str, Any]:
    return {"marked_at": NOW - timedelta(seconds=seconds_ago)}


@each(
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
        (
            "price_out_of_band",
            Case(price="47500", limits={"price_band": D("0.05")}),
            Case(price="47499.99", limits={"price_band": D("0.05")}),
        ),
        (
            "price_out_of_band",
            Case(price="52500", limits={"price_band": D("0.05")}),
            Case(price="52500.01", limits={"price_band": D("0.05")}, reduce_only=True),
        ),
        (
            "order_value_exceeded",
            Case(limits=most("5000")),
            Case(limits=most("4999.99999999")),
        ),
        (
            "order_value_exceeded",
            Case(instrument=most("5000")),
            Case(instrument=most("4999.99999999")),
        ),
        (
            "order_value_exceeded",
            Case(instrument={"max_order_size": D("0.1")}),
            Case(instrument={"max_order_size": D("0.09999999")}),
        ),
        (
            "order_value_exceeded",
            Case(instrument={"max_order_size": D(1), "max_order_value": D(9_000)}),
            Case(instrument={"max_order_size": D(1)}, limits=most("4999")),
        ),
        # One that rests at its limit, one that fills at the mark whatever its limit is.
        (
            "order_value_exceeded",
            Case(price="40000", limits=most("4000")),
            Case(price="40000", limits=most("3999.99999999")),
        ),
        (
            "order_value_exceeded",
            Case(price="60000", limits=most("5000")),
            Case(price="60000", limits=most("5000"), goes_out=True),
        ),
        (
            "order_value_exceeded",
            Case(is_buy=False, held="0.1", limits=most("1")),
            Case(is_buy=False, held="0.09999", limits=most("1")),
        ),
        (
            "order_value_exceeded",
            Case(is_buy=False, held="0.01", reduce_only=True, limits=most("1")),
            Case(is_buy=False, held="0.1", price="60000", limits=most("1")),
        ),
        # From a range of 3 % on 0.75 × 10, cut to 7; from 6 % on 5
        (
            "leverage_exceeds_volatility",
            moving("0.02999999", leverage=10),
            moving("0.03", leverage=10),
        ),
        ("leverage_exceeds_volatility", moving("0.03", leverage=7), moving("0.03", leverage=8)),
        (
            "leverage_exceeds_volatility",
            moving("0.05999999", leverage=7, price="40000"),
            moving("0.06", leverage=7, price="40000"),
        ),
        ("leverage_exceeds_volatility", moving("9", leverage=5), moving("9", leverage=6)),
        # 0.1 × 50,000 is the cap of the first bracket; 0.08 more, of 4,000, is that of the last one
        ("leverage_exceeds_bracket", by_brackets(leverage=8), by_brackets(leverage=9)),
        (
            "leverage_exceeds_bracket",
            by_brackets(leverage=8),
            by_brackets(LESS, leverage=8),
        ),
        ("position_exceeds_brackets", by_brackets(held="0.08"), by_brackets(held="0.08001")),
        ("position_exceeds_brackets", by_brackets(held="-0.28"), by_brackets(held="0.28")),
        # 0.1 × 40,000 rest, beside what is held on that side at the mark
        (
            "leverage_exceeds_bracket",
            by_brackets(price="40000", held="0.02", leverage=8),
            by_brackets(price="40000", held="0.02001", leverage=8),
        ),
        (
            "leverage_exceeds_bracket",
            by_brackets(price="40000", held="-0.3", leverage=8),
            by_brackets("3999: 0.01 8x, 9000: 0.02 4x", price="40000", held="-0.3", leverage=8),
        ),
        (
            "position_exceeds_brackets",
            by_brackets(price="40000", held="0.1"),
            by_brackets(price="40000", held="0.1", size="0.10001"),
        ),
        (
            "position_exceeds_brackets",
            by_brackets(price="60000", is_buy=False, held="0.1"),
            by_brackets(price="60000", is_buy=False, held="-0.1"),
        ),
        # 0.1 × 50,000 ÷ 10 and a fee of 0.1 × 50,000 × 0.002
        ("insufficient_margin", Case(balance="510"), Case(balance="509.99999999")),
        # 0.1 × 40,000 ÷ 10 and a fee of 0.1 × 40,000 × 0.001
        (
            "insufficient_margin",
            Case(price="40000", balance="404"),
            Case(price="40000", balance="403.99999999"),
        ),
        # 0.2 × 10,000 and a fee of 10, which is more than the margin of 500 and 1,000
        (
            "below_maintenance",
            by_brackets(STRICT, held="0.1", balance="2010"),
            by_brackets(STRICT, held="0.1", balance="2009.99999999"),
        ),
        # Elsewhere 0.2 × (5,000 + 4,000) and a fee of 4; here an order that rests is not asked yet
        (
            "below_maintenance",
            by_brackets(STRICT, held="0.1", balance="1804", price="40000", goes_out=True),
            by_brackets(STRICT, held="0.1", balance="1803.99999999", price="40000", goes_out=True),
        ),
        (
            "below_maintenance",
            by_brackets(STRICT, held="0.1", balance="1600", price="40000"),
            by_brackets(STRICT, held="0.1", balance="1600", price="40000", goes_out=True),
        ),
        (
            "below_maintenance",
            by_brackets(STRICT, held="0.1", balance="600", is_buy=False),
            by_brackets(STRICT, held="0.1", balance="600", size="0.001"),
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
    assert at_the_limit.approved()
    assert beyond.denied().code == code


@each(
    ("code", "case"),
    [
        ("trading_halted", Case(limits={"trading_halted": True})),
        ("stale_price", Case(instrument={"mark_price": None})),
        ("stale_price", Case(instrument={"marked_at": None})),
        ("account_suspended", Case(limits={"suspended": True})),
        ("account_suspended", Case(limits={"suspended": True, "account_reducing": True})),
        ("tier_halted", Case(limits={"tier_state": "HALTED"})),
        ("instrument_halted", Case(instrument={"halted": True})),
        ("invalid_size", Case(size="0.100001")),
        ("invalid_price", Case(price="40000.001")),
        ("leverage_exceeds_tier", Case(leverage=11)),
        ("leverage_exceeds_tier", moving("0.06", leverage=11)),
        ("leverage_exceeds_volatility", moving("0.06", leverage=6, held="-0.05")),
        ("leverage_exceeds_volatility", moving("0.06", leverage=6, open_orders=3, price="40000")),
        (
            "leverage_exceeds_volatility",
            replace(moving("0.06", leverage=6), limits={**BANDS, "margin_mode": "brackets"}),
        ),
        ("brackets_missing", Case(limits={"margin_mode": "brackets"})),
        ("brackets_missing", Case(limits={"margin_mode": "brackets"}, open_orders=3, price="400")),
        ("leverage_exceeds_tier", by_brackets("5000: 0.01 20x", leverage=11)),
        ("reduce_only_rejected", by_brackets("1: 0.01 1x", reduce_only=True)),
        ("insufficient_margin", by_brackets(STRICT, held="0.1", balance="1000")),
        (
            "below_maintenance",
            by_brackets(STRICT, held="0.1", balance="2009", reserved_notional="19999"),
        ),
        ("reduce_only_rejected", Case(reduce_only=True)),
        ("reduce_only_rejected", Case(reduce_only=True, held="0.1")),
        ("reduce_only_rejected", Case(reduce_only=True, held="-0.1", is_buy=False)),
        ("too_many_open_orders", Case(goes_out=True, open_orders=3)),
        ("too_many_open_orders", Case(price="40000", open_orders=4)),
    ],
)
def test_each_check_refuses(code: str, case: Case) -> None:
    assert case.denied().code == code


@each(
    ("limits", "instrument", "whose"),
    [
        ({"trading_reducing": True}, {}, "The exchange"),
        ({"account_reducing": True}, {}, "This account"),
        ({"tier_state": "REDUCING"}, {}, "Your tier"),
        ({}, {"reducing": True}, "This instrument"),
    ],
)
def test_what_only_reduces_passes_in_reducing(
    limits: dict[str, Any], instrument: dict[str, Any], whose: str
) -> None:
    """All of what is open, not a lot more of it, and no order that may fill once it is gone."""
    short = Case(held="-0.1", limits=limits, instrument=instrument)
    assert short.approved().opens is False
    assert replace(short, price="40000", reduce_only=True).approved()
    assert replace(short, size="0.2", reduce_only=True).approved()
    for opening in (
        replace(short, size="0.10001"),
        replace(short, is_buy=False),
        replace(short, held="0"),
        replace(short, price="40000"),
        replace(short, goes_out=True),
    ):
        denial = opening.denied()
        assert (denial.code, denial.detail.split(" is in ")[0]) == ("reducing_only", whose)
    assert replace(short, held="0", reduce_only=True).denied().code == "reduce_only_rejected"


@each(
    ("code", "limits", "instrument"),
    [
        ("trading_halted", {"trading_halted": True, "trading_reducing": True}, {}),
        ("reducing_only", {"trading_reducing": True, "suspended": True}, {}),
        ("reducing_only", {"trading_reducing": True}, marked(61)),
        ("stale_price", {"trading_reducing": True}, {"mark_price": None}),
        ("stale_price", {"account_reducing": True}, marked(61)),
        ("account_suspended", {"suspended": True, "tier_state": "HALTED"}, {}),
        ("reducing_only", {"account_reducing": True, "tier_state": "HALTED"}, {}),
        ("tier_halted", {"tier_state": "HALTED"}, {"halted": True}),
        ("reducing_only", {"tier_state": "REDUCING"}, {"halted": True}),
        ("instrument_halted", {}, {"halted": True, "reducing": True}),
    ],
)
def test_states_answer_from_the_widest_to_the_narrowest(
    code: str, limits: dict[str, Any], instrument: dict[str, Any]
) -> None:
    assert Case(limits=limits, instrument=instrument, size="0.000001").denied().code == code


@given(st.sampled_from(["-0.2", "0", "0.2"]), st.booleans(), st.integers(1, 30))
def test_an_order_that_passes_in_reducing_opens_nothing(held: str, is_buy: bool, lots: int) -> None:
    free = Case(held=held, is_buy=is_buy, size=str(D(lots) / 100))
    opens = free.approved().opens if not isinstance(free.decide(), Denial) else True
    decision = replace(free, limits={"trading_reducing": True}).decide()
    assert isinstance(decision, Denial) == opens


def test_what_volatility_leaves_of_leverage_binds_what_opens_alone() -> None:
    """It is also what an order gets that asks for none; what only reduces has the tier's."""
    assert moving("0.03").approved().leverage == 7
    assert moving("0.06", price="40000").approved().leverage == 5
    assert moving("0.06", held="-0.1", leverage=10).approved().leverage == 10
    assert moving("0.06", held="-0.1").approved().leverage == 10
    less = {"reduce_only": True, "leverage": 10, "held": "-0.05"}
    assert moving("0.06", **less).approved().leverage == 10
    assert moving("0.06", **less, price="40000").approved().leverage == 10
    unknown = Case(limits=BANDS, leverage=10)
    assert unknown.approved().leverage == 10


def test_brackets_bind_what_opens_alone() -> None:
    """They are also what an order gets that asks for none; what only reduces has the tier's."""
    ladder = "5000: 0.01 8x, 9000: 0.02 4x"
    assert by_brackets(leverage=None).approved().leverage == 8
    assert by_brackets(leverage=None, held="0.01").approved().leverage == 4
    assert by_brackets(leverage=None, price="40000").approved().leverage == 8
    assert by_brackets("5000: 0.01 20x", leverage=None).approved().leverage == 10
    nothing = {"limits": {"margin_mode": "brackets"}}
    for opens_nothing in (by_brackets("1: 0.01 1x").limits, nothing["limits"]):
        case = Case(held="-0.1", leverage=10, limits=opens_nothing)
        assert case.approved().leverage == 10
        assert replace(case, reduce_only=True, price="40000").approved()
    other = by_brackets(ladder, leverage=9)
    assert other.denied().detail == (
        "A position in BTCUSDT that is worth 5000 USDT may have a leverage of up to 8, not 9."
    )


def test_an_order_elsewhere_may_fill_at_a_limit_beyond_the_mark() -> None:
    """0.1 at 60,000 are worth 1,000 less, and require 0.2 × (5,000 + 6,000), with a fee of 6."""

    def check(balance: str) -> Approval | Denial:
        case = by_brackets(STRICT, held="0.1", balance=balance)
        limits, instrument = Limits(**{**LIMITS, **case.limits}), InstrumentState(**INSTRUMENT)
        intent = Intent("BTCUSDT", is_buy=True, size=D("0.1"), price=D(60_000), leverage=5)
        state = RiskState(case.account(), limits, instrument, 0)
        return check_resting(Candidate(intent, state, NOW, goes_out=True))

    assert isinstance(check("3206"), Approval)
    denial = check("3205.99999999")
    assert denial == Denial(
        "below_maintenance",
        "After this order equity would be 2199.99999999 USDT at the marks, less than the 2200 USDT "
        "that all positions would then require.",
    )


@each(
    ("held", "is_buy"), [("0", False), ("0.5", False), ("3", False), ("-0.5", True), ("-3", True)]
)
def test_what_closes_takes_side_and_size_from_what_is_held(held: str, is_buy: bool) -> None:
    holding = Holding(D(held), D(held) * 100, abs(D(held)))
    asked = Intent("BTCUSDT", is_buy=True, size=D(1))
    assert asked.filled_in(holding) == asked
    filled_in = replace(asked, closes=True).filled_in(holding)
    assert (filled_in.is_buy, filled_in.size) == (is_buy, abs(D(held)))


def test_what_only_reduces_sends_nothing() -> None:
    assert (Case().sent(), Case(price="49000").sent()) == (5_000, 4_900)
    assert (Case(held="-0.1").sent(), Case(held="-0.09999").sent()) == (0, 5_000)


def test_a_price_out_of_its_band_is_told_the_band() -> None:
    denied = Case(price="40000", limits={"price_band": D("0.05")}).denied()
    assert denied.detail == "The price must be within 5 % of the mark price."


def test_the_refusal_names_both_limits() -> None:
    assert moving("0.0345", leverage=9).denied().detail == (
        "Your tier allows a leverage of up to 10; while the marks of BTCUSDT of the last 1440 "
        "minutes range over 3.45 %, it is 7."
    )


def test_an_order_that_names_no_more_than_it_must() -> None:
    """It fills at once at the tier's leverage, and may open: nor does it count as an open one."""
    limits, instrument = Limits(**LIMITS), InstrumentState(**INSTRUMENT)
    state = RiskState(Case().account(), limits, instrument, open_orders=3)
    intent = Intent("BTCUSDT", is_buy=True, size=D("0.1"))
    assert not Candidate(intent, state, NOW).rests
    approval = check_order(intent, state, NOW)
    assert isinstance(approval, Approval)
    assert (approval.leverage, approval.opens) == (10, True)


def test_a_symbol_that_is_not_listed_is_refused() -> None:
    state = RiskState(Case().account(), Limits(**LIMITS), None, 0)
    denial = check_order(Intent("NOSUCH", is_buy=True, size=D(1)), state, NOW)
    assert isinstance(denial, Denial)
    assert denial.code == "unknown_symbol"


@each(
    ("is_buy", "price", "crosses"),
    [
        (True, None, True),
        (True, "50000.01", True),
        (True, "50000", True),
        (True, "49999.99", False),
        (False, None, True),
        (False, "49999.99", True),
        (False, "50000", True),
        (False, "50000.01", False),
    ],
)
def test_an_order_fills_at_the_mark_or_beyond_and_rests_before_it(
    is_buy: bool, price: str | None, crosses: bool
) -> None:
    approval = Case(is_buy=is_buy, price=price).approved()
    assert bool(approval.execution) is crosses
    assert bool(approval.reserved_notional) is not crosses
    if approval.execution:
        assert approval.execution.price == D(50_000)
        assert approval.execution.size == (D("0.1") if is_buy else D("-0.1"))


def test_what_an_order_does_that_fills_at_once() -> None:
    approval = Case(held="0.05", is_buy=False, leverage=5, reserved_notional="100").approved()
    assert approval.execution is not None
    assert approval.leverage == approval.execution.leverage == 5
    assert approval.execution.fee == D(10)
    # Half of it closes, half of it opens: 0.05 × 50,000 ÷ 5
    assert approval.required_margin == D(500)
    assert (approval.reserved_margin, approval.reserved_notional) == (0, 0)
    assert approval.change == ExposureChange(long_quantity=D("-0.05"), short_quantity=D("0.05"))
    assert approval.user_exposure_after == D(2_600)
    assert approval.opens


def test_what_an_order_does_that_rests() -> None:
    approval = Case(held="0.05", price="40000", leverage=5).approved()
    assert approval.leverage == 5
    assert approval.required_margin == approval.reserved_margin == D(800)
    assert approval.reserved_notional == approval.change.order_notional == D(4_000)
    assert approval.user_exposure_after == D(6_500)
    assert approval.opens


#: What holds a position of 5,000 at a limit of 1, and has no margin left.
FULL: dict[str, Any] = {
    "held": "0.1",
    "balance": "500",
    "limits": {"user_exposure_limit": D(1)},
    "is_buy": False,
}


def test_an_order_that_only_reduces_is_not_asked_for_margin_and_exposure() -> None:
    approval = Case(**FULL, size="0.05").approved()
    assert not approval.opens
    assert (approval.required_margin, approval.user_exposure_after) == (0, D(2_500))
    assert not Case(**FULL, size="0.2", reduce_only=True).approved().opens
    assert Case(**FULL, size="0.2").denied().code == "insufficient_margin"
    rich = {**FULL, "balance": "10000"}
    assert Case(**rich, size="0.2").denied().code == "user_exposure_exceeded"


def test_an_order_that_rests_to_reduce_reserves_nothing() -> None:
    approval = Case(**FULL, price="60000", size="0.2", reduce_only=True).approved()
    assert approval.required_margin == approval.reserved_margin == 0
    assert approval.reserved_notional == approval.change.order_notional == 0
    assert approval.user_exposure_after == D(5_000)
    assert not approval.opens
