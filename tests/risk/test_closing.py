"""A close-out closes the largest loss first, as far as it must, and makes or loses no unit."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.closing import LARGEST_LOSS_FIRST, PARTIAL, CloseOut, Standing, close_out, cover
from risk.fills import Holding, apply_fill
from risk.margin import fee
from risk.state import AccountState, InstrumentState, Limits, OpenPosition
from tests.each import each

D = Decimal
FULL = Limits(
    trading_halted=False,
    suspended=False,
    max_mark_age_seconds=60,
    max_open_orders=200,
    max_leverage=20,
    user_exposure_limit=D(5_000_000),
    global_exposure_threshold=D(10_000_000),
    liquidation_threshold=D("0.5"),
    liquidation_mode="full",
    liquidation_fee_rate=D(0),
)
#: A mode that was read has the letters of the constant, and is no more the same object.
PARTLY = replace(FULL, liquidation_mode="".join(LARGEST_LOSS_FIRST))
IN_PARTS = replace(FULL, liquidation_mode="".join(PARTIAL))
LADDERS = (
    "AA 100: 0.004 20x, 20000: 0.01 10x, 500000: 0.05 5x;"
    "BB 5000: 0.02 10x, 90000: 0.5 1x; DD 1000: 0.1 5x"
)
DRAWN = [2 * letter for letter in "ABCDEFGHI"]
SYMBOLS = ("LOSER", "WINNER", "EQUAL", "GAIN", "BTC", *DRAWN)


def listed(lot_size: str = "0.00001", min_notional: str = "0") -> dict[str, InstrumentState]:
    """Return instruments of all symbols with one lot size and one smallest notional."""
    one = InstrumentState(
        *(1, "", D("0.01"), D(lot_size), D(min_notional), D(0), D(0), False, None, None)
    )
    return {symbol: replace(one, symbol=symbol) for symbol in SYMBOLS}


LISTED = listed()


def held(symbol: str, quantity: str, entry: str, margin: str, mark: str) -> OpenPosition:
    """Return a position entered at a price, as the account's first and only one of its symbol."""
    holding = Holding(D(quantity), D(quantity) * D(entry), D(margin))
    return OpenPosition(1, ord(symbol[0]), symbol, holding, 10, D(0), D(mark))


def account(balance: str | Decimal, *positions: OpenPosition) -> AccountState:
    return AccountState(1, 1, D(balance), {p.instrument_id: p for p in positions})


def closed(out: CloseOut) -> list[str]:
    return [closing.position.symbol for closing in out.closings]


LOSER = held("LOSER", "10", "100", "100", "80")
WINNER = held("WINNER", "-10", "100", "100", "99")
EQUAL = held("EQUAL", "20", "100", "200", "90")


def test_all_positions_close_the_largest_loss_first_and_equal_ones_by_symbol() -> None:
    out = close_out(account("300", WINNER, LOSER, EQUAL), FULL, LISTED)
    assert closed(out) == ["EQUAL", "LOSER", "WINNER"]
    assert [closing.realized_pnl for closing in out.closings] == [-200, -200, 10]
    assert (out.before, out.before.ratio) == (Standing(D(-90), D(400), D(200)), D("-0.225"))
    assert (out.after, out.after.ratio, out.balance) == (Standing(D(0), D(0), D(0)), None, -90)


def test_a_partial_close_out_stops_at_the_threshold() -> None:
    """200 of equity: 0.5 of margin 400 is enough, and a unit less closes the loser."""
    positions = (LOSER, replace(WINNER, holding=Holding(D(-10), D(-1000), D(300))))
    assert closed(close_out(account("390", *positions), PARTLY, LISTED)) == []
    out = close_out(account("389.99999999", *positions), PARTLY, LISTED)
    assert (closed(out), out.balance) == (["LOSER"], D("189.99999999"))
    assert out.after == Standing(D("199.99999999"), D(300), D(150))


@pytest.mark.parametrize(("balance", "expected"), [("200", ["LOSER"]), ("199", ["LOSER", "GAIN"])])
def test_a_partial_close_out_goes_on_until_the_losses_are_paid(
    balance: str, expected: list[str]
) -> None:
    """The gain is margin enough, but the fund does not pay what a profit can."""
    gain = held("GAIN", "10", "100", "100", "200")
    margin = replace(LOSER, holding=Holding(D(10), D(1000), D(3000)))
    out = close_out(account(balance, margin, gain), PARTLY, LISTED)
    assert (closed(out), out.balance >= 0) == (expected, True)


def test_the_fee_is_taken_as_far_as_the_balance_reaches() -> None:
    """Of 800 and 1,800 a hundredth is 8 and 18; the winner's 10 pay what is left of its 9.90."""
    limits = replace(FULL, liquidation_fee_rate=D("0.01"))
    out = close_out(account("225", LOSER, WINNER), limits, LISTED)
    assert [closing.fee for closing in out.closings] == [D(8), D("9.9")]
    assert (out.after.equity, out.balance) == (D("17.1"), D("17.1"))
    out = close_out(account("205", LOSER, WINNER), limits, LISTED)
    assert [closing.fee for closing in out.closings] == [D(5), D("9.9")]
    out = close_out(account("195", LOSER, WINNER), limits, LISTED)
    assert [closing.fee for closing in out.closings] == [D(0), D(5)]
    assert (out.after.equity, out.balance) == (0, 0)


@each(("available", "paid", "bad_debt"), [("-1", 0, 10), ("0", 0, 10), ("4", 4, 6), ("11", 10, 0)])
def test_a_fund_pays_as_far_as_it_reaches(available: str, paid: int, bad_debt: int) -> None:
    assert cover(D(10), D(available)) == (paid, bad_debt)


prices = st.decimals("0.01", "100000", places=2)
positions = st.builds(
    OpenPosition,
    id=st.just(1),
    instrument_id=st.integers(1, 9),
    symbol=st.sampled_from(DRAWN),
    holding=st.builds(
        lambda size, price, margin: Holding(size, size * price, margin),
        st.decimals("-50", "50", places=5).filter(bool),
        prices,
        st.decimals("0", "100000", places=8),
    ),
    leverage=st.integers(1, 20),
    realized_pnl=st.just(D(0)),
    mark_price=prices,
)


@given(
    st.lists(positions, min_size=1, max_size=9),
    st.decimals("0", "1000000", places=8),
    st.sampled_from([FULL.liquidation_mode, LARGEST_LOSS_FIRST, PARTIAL]),
    st.sampled_from([D(0), D("0.00123")]),
    st.sampled_from([{}, {"margin_mode": "brackets", "maintenance_brackets": LADDERS}]),
)
def test_a_close_out_is_what_its_fills_are(
    held: list[OpenPosition],
    balance: Decimal,
    mode: str,
    rate: Decimal,
    margin_mode: dict[str, Any],
) -> None:
    """Every closing is a fill against its position, and the account's figures follow from them."""
    limits = replace(FULL, liquidation_mode=mode, liquidation_fee_rate=rate, **margin_mode)
    before = account(balance, *held)
    out = close_out(before, limits, LISTED)
    by = limits.requirement
    assert out.before == Standing(before.equity, before.position_margin, before.required(by))
    left = dict(before.positions)
    for closing in out.closings:
        position = left.pop(closing.position.instrument_id)
        size = closing.size if position.holding.quantity < 0 else -closing.size
        price = position.mark_price
        fill = apply_fill(position.holding, size, price, position.leverage)
        assert (fill.holding, fill.realized_pnl) == (closing.left, closing.realized_pnl)
        assert 0 <= closing.fee <= fee(size, price, rate)
        if closing.left != Holding():
            left[position.instrument_id] = replace(position, holding=closing.left)
        balance += closing.realized_pnl - closing.fee
    after = account(max(balance, D(0)), *left.values())
    standing = Standing(after.equity, after.position_margin, after.required(by))
    assert (out.balance, out.after) == (balance, standing)
    if mode == FULL.liquidation_mode:
        assert not left
    elif left:
        target = limits.close_out_target if mode == PARTIAL else 1
        assert balance >= 0
        assert after.equity >= target * after.required(by)
