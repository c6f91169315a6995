"""What the arrays close of one account's positions stops where the exchange does."""

from decimal import Decimal

import numpy as np

from risk import closing
from risk.arrays.books import Book, Instruments
from risk.arrays.closing import close_out
from risk.arrays.rules import Rules
from risk.arrays.units import amount, units
from risk.policy import PRESETS, policy_from
from risk.state import OpenPosition
from tests.each import each
from tests.risk.arrays.cases import account_state, instrument, marked
from tests.risk.test_closing import held

D = Decimal
IN_PARTS = {
    "liquidation_mode": "partial",
    "liquidation_threshold": D("0.5"),
    "close_out_target": D("1.25"),
    "close_out_share": D("0.5"),
    "liquidation_fee_rate": D(0),
}
#: 10 held at 100 with a margin of 100 a unit, marked at 80.
DEEP = held("LOSER", "10", "100", "1000", "80")
GAIN = held("GAIN", "10", "100", "100", "170")


def closed(
    balance: str, *positions: OpenPosition, lot: str = "0.1", least: str = "0", **asked: object
) -> list[tuple[str, Decimal]]:
    """Return what closes of one account in parts, of which the arrays say all the exchange does."""
    policy = policy_from({**IN_PARTS, **asked}, base=PRESETS["none"])
    listed = [
        instrument(number, one.symbol, "1", lot, least, "0")
        for number, one in enumerate(positions, start=1)
    ]
    marks = np.array([int(one.mark_price) for one in positions])
    book = Book.empty(Instruments.of(listed), np.zeros(1, np.int8), np.array([units(D(balance))]))
    book.lots[:, 0] = [int(one.holding.quantity / D(lot)) for one in positions]
    book.cost[:, 0] = [units(one.holding.cost) for one in positions]
    book.margin[:, 0] = [units(one.holding.margin) for one in positions]
    states = {one.symbol: one for one in marked(listed, marks)}
    state = account_state(book, 0, list(states.values()))
    done = closing.close_out(state, policy.limits("beginner"), states)
    wanted = [
        (
            one.position.symbol,
            one.position.holding.quantity - one.left.quantity,
            one.realized_pnl,
            one.fee,
        )
        for one in done.closings
    ]
    out = close_out(book, Rules.of(policy), np.zeros(1, np.int64), marks)
    legs, symbols = out.legs, book.instruments.symbols
    sizes = [lots * D(lot) for lots in legs.lots.tolist()]
    paid = (map(amount, figures.tolist()) for figures in (legs.realized, legs.fee))
    assert list(zip(map(symbols.__getitem__, legs.instrument), sizes, *paid, strict=True)) == wanted
    assert amount(out.balance_after[0] - out.deficit[0]) == done.balance
    return [(symbol, size) for symbol, size, *_ in wanted]


@each(("least", "size"), [("568", "2.9"), ("568.00000001", "10")])
def test_a_rest_too_small_to_trade_closes_with_it(least: str, size: str) -> None:
    """450 of equity: at 1.25 × 0.5 of what is left 720 may stay; 7.1 at 80 are 568."""
    assert closed("650", DEEP, least=least) == [("LOSER", D(size))]


@each("quantity", ["1", "-1"])
def test_of_one_lot_the_lot_closes(quantity: str) -> None:
    """What is left of the account, a gain with little margin, brings it back."""
    one = held("LOSER", quantity, "100", "1000", "80" if quantity == "1" else "120")
    small = held("GAIN", "1", "100", "1", "110")
    assert closed("100", small, one, lot="1") == [("LOSER", D(quantity))]


@each("balance", ["100", "62.5"])
def test_a_gain_pays_for_losses_beyond_the_balance_by_its_share(balance: str) -> None:
    """Half of the loser takes 225 and is enough, of the lesser balance just enough."""
    loser = held("LOSER", "10", "100", "800", "55")
    assert closed(balance, loser, GAIN, lot="1") == [("LOSER", 5), ("GAIN", 5)]


@each(("balance", "sizes"), [("180", {"LOSER": 4}), ("179.99999999", {"LOSER": 4, "GAIN": 5})])
def test_an_account_is_brought_back_once_the_last_unit_of_loss_is_paid(
    balance: str, sizes: dict[str, int]
) -> None:
    """4 of the loser take 180 and leave equity enough."""
    loser = held("LOSER", "10", "100", "800", "55")
    gain = held("GAIN", "10", "100", "100", "165")
    assert dict(closed(balance, loser, gain, lot="1")) == sizes


def test_what_misses_the_target_by_the_least_is_closed_for_alone() -> None:
    """1.00000001 × 0.00000001 × 99,999,999.00000001 is 1.000000000000000000000001."""
    wide = held("LOSER", "10", "100", "99999999.00000001", "100")
    level = {"liquidation_threshold": D("0.00000001"), "close_out_target": D("1.00000001")}
    assert closed("1", wide, **level) == [("LOSER", D("0.1"))]


@each(("balance", "sizes"), [("306", ["5.3", "1.2"]), ("298.00000001", ["5.6", "2.4"])])
def test_a_bracket_below_that_is_kept_already_closes_nothing(
    balance: str, sizes: list[str]
) -> None:
    """The lower one asks for 88, its fee above what it frees; the other says what closes."""
    by = {
        "margin_mode": "brackets",
        "maintenance_brackets": "LOSER 400: 0.005 10x, 5000: 0.2 5x",
        "close_out_share": D(1),
        "close_out_target": D(2),
        "liquidation_fee_rate": D("0.05"),
    }
    other = held("EQUAL", "10", "10", "80", "9")
    expected = list(zip(("LOSER", "EQUAL"), map(D, sizes), strict=True))
    assert closed(balance, DEEP, other, **by) == expected
