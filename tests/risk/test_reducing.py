"""A position is reduced as far as its account needs, and no further than a share of it."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from market.kernel.amounts import UNIT
from risk.closing import CloseOut, Standing, close_out
from risk.fills import Holding, close_part
from risk.margin import fee
from risk.state import OpenPosition
from tests.each import each
from tests.risk.test_closing import IN_PARTS, LISTED, WINNER, account, held, listed, prices

D = Decimal
#: 10 held at 100 with a margin of 100 a unit, marked at 80.
DEEP = held("LOSER", "10", "100", "1000", "80")


def parts(out: CloseOut) -> list[tuple[str, Decimal]]:
    return [(closing.position.symbol, closing.size) for closing in out.closings]


def test_a_position_is_reduced_to_the_target_and_no_further() -> None:
    """450 of equity on 1,000: at 1.25 × 0.5 of what is left 720 may stay, so that 2.8 closes."""
    out = close_out(account("650", DEEP), IN_PARTS, listed("0.1"))
    assert parts(out) == [("LOSER", D("2.9"))]  # 2.80000001 in steps of 0.1
    assert out.after == Standing(D(450), D(710), D(355))
    assert out.closings[0].left == Holding(D("7.1"), D(710), D(710))
    assert (out.closings[0].realized_pnl, out.balance) == (D(-58), D(592))


def test_a_fee_closes_more_of_a_position() -> None:
    """A hundredth of 800 is 8: (625 − 450) ÷ (625 − 8) of 10 is 2.84."""
    limits = replace(IN_PARTS, liquidation_fee_rate=D("0.01"))
    out = close_out(account("650", DEEP), limits, listed("0.01"))
    assert parts(out) == [("LOSER", D("2.84"))]
    assert out.closings[0].fee == D("2.272")
    assert out.after.equity >= D("0.625") * out.after.margin


def test_what_rounding_may_take_closes_too() -> None:
    """Half a unit of the fee and 0.625 × half a unit of margin are, of 0.625, 0.00000013 of 10."""
    thin = held("LOSER", "10", "100", "1", "80")
    out = close_out(account("200.45", thin), IN_PARTS, listed("0.00000001"))
    assert parts(out) == [("LOSER", D("2.80000013"))]


@each(("share", "closed"), [("0.28000001", "2.9"), ("0.28", "2.8"), ("0.27", "10")])
def test_what_the_share_does_not_restore_closes_whole(share: str, closed: str) -> None:
    """The share is rounded up to lots; where it is too little everything closes."""
    limits = replace(IN_PARTS, close_out_share=D(share))
    out = close_out(account("650", DEEP), limits, listed("0.1"))
    assert parts(out) == [("LOSER", D(closed))]


def test_an_account_that_is_taken_over_closes_everything() -> None:
    """The loser alone, closed whole, would have left enough."""
    limits = replace(IN_PARTS, close_out_share=D("0.1"))
    out = close_out(account("640", WINNER, DEEP), limits, listed("1"))
    assert parts(out) == [("LOSER", D(10)), ("WINNER", D(10))]


@each(("least", "closed"), [("568", "2.9"), ("568.00000001", "10")])
def test_a_rest_too_small_to_trade_closes_with_it(least: str, closed: str) -> None:
    """7.1 at 80 is 568."""
    out = close_out(account("650", DEEP), IN_PARTS, listed("0.1", least))
    assert parts(out) == [("LOSER", D(closed))]


def test_each_position_is_reduced_by_its_share_in_turn_of_losses() -> None:
    """Half of the loser is not enough; of the smaller loss closes what is missing yet."""
    other = held("EQUAL", "10", "100", "1000", "90")
    out = close_out(account("1020", other, DEEP), IN_PARTS, listed("1"))
    assert parts(out) == [("LOSER", D(5)), ("EQUAL", D(4))]
    assert out.after == Standing(D(720), D(1100), D(550))


@each(
    ("balance", "share", "expected"),
    [
        ("100", "0.5", [5, 5]),
        ("63", "0.5", [5, 5]),
        ("62.5", "0.5", [5, 5]),
        ("100", "0.1", [10, 10]),
    ],
)
def test_losses_beyond_the_balance_are_paid_before_it_ends(
    balance: str, share: str, expected: list[int]
) -> None:
    """Half of the loser is enough, but takes more than the balance, which the gain pays.

    It takes 125 of 100; of 62.5 what is left is just enough.
    """
    gain = held("GAIN", "10", "100", "100", "170")
    loser = held("LOSER", "10", "100", "800", "55")
    limits = replace(IN_PARTS, close_out_share=D(share))
    out = close_out(account(balance, loser, gain), limits, listed("1"))
    assert parts(out) == list(zip(("LOSER", "GAIN"), map(D, expected), strict=True))
    assert out.balance >= 0


def test_without_margin_to_free_everything_closes() -> None:
    """At a threshold of nothing no size lifts what is below it."""
    limits = replace(IN_PARTS, liquidation_threshold=D(0))
    assert parts(close_out(account("100", DEEP), limits, listed("0.1"))) == [("LOSER", D(10))]


@each(
    ("balance", "share", "closed"),
    [
        ("305", "0.5", "2.3"),
        ("290", "0.5", "3.1"),
        ("250", "0.5", "5"),
        ("249", "0.5", "10"),
        ("225", "1", "7.6"),
    ],
)
def test_by_brackets_what_is_required_falls_along_them(
    balance: str, share: str, closed: str
) -> None:
    """800 require 0.2 × 800 − 40 = 120, above 400 by a fifth less, below it by a tenth."""
    ladder = "LOSER 400: 0.1 10x, 5000: 0.2 5x"
    limits = replace(IN_PARTS, margin_mode="brackets", maintenance_brackets=ladder)
    limits = replace(limits, close_out_share=D(share))
    out = close_out(account(balance, DEEP), limits, listed("0.1"))
    assert parts(out) == [("LOSER", D(closed))]


@each(("balance", "closed"), [("306", ["5.3", "1.2"]), ("298.00000001", ["5.6", "2.4"])])
def test_a_bracket_below_that_is_kept_already_closes_nothing(
    balance: str, closed: list[str]
) -> None:
    """It asks for 2 × (4 + 40), of which the fee takes more than it frees; with more equity than
    that, but for what rounding may take, the other bracket alone says what closes.
    """
    ladder = "LOSER 400: 0.005 10x, 5000: 0.2 5x"
    limits = replace(IN_PARTS, margin_mode="brackets", maintenance_brackets=ladder)
    limits = replace(limits, close_out_share=D(1), close_out_target=D(2))
    limits = replace(limits, liquidation_fee_rate=D("0.05"))
    other = held("EQUAL", "10", "10", "80", "9")
    out = close_out(account(balance, DEEP, other), limits, listed("0.1"))
    assert parts(out) == list(zip(("LOSER", "EQUAL"), map(D, closed), strict=True))


@given(
    quantity=st.integers(1, 10**7).map(lambda lots: D(lots) / 10**5),
    price=prices,
    margin=st.decimals("0.01", "100000", places=8),
    balance=st.decimals("0", "100000", places=8),
    rate=st.sampled_from([D(0), D("0.00123457")]),
    target=st.decimals("1", "3", places=8),
)
def test_a_lot_less_would_not_have_been_enough(
    quantity: Decimal,
    price: Decimal,
    margin: Decimal,
    balance: Decimal,
    rate: Decimal,
    target: Decimal,
) -> None:
    """But for the two units that rounding may take; the fee is what the formula counts with."""
    limits = replace(IN_PARTS, liquidation_fee_rate=rate, close_out_target=target)
    holding = Holding(quantity, quantity * price, margin)
    position = OpenPosition(1, 1, "AA", holding, 1, D(0), price)
    before = account(balance, position)
    out = close_out(before, limits, LISTED)
    level = target * limits.liquidation_threshold
    if before.equity >= level * before.position_margin or out.closings[0].left == Holding():
        return
    less = out.closings[0].size - D("0.00001")
    kept, _ = close_part(holding, less, price)
    equity = before.equity - fee(less, price, rate)
    assert equity - (2 + 2 * level) * UNIT < level * kept.margin
