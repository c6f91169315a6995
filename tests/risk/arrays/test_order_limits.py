"""Each limit of an order belongs to what is allowed, to the unit."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from risk.arrays.books import Book, Instruments
from risk.arrays.orders import Orders
from risk.arrays.placing import place
from risk.arrays.refusals import CODES
from risk.arrays.rules import Rules
from risk.arrays.sent import Sent
from risk.arrays.units import UNITS, amount
from risk.policy import PRESETS, policy_from
from tests.risk.arrays.cases import USUAL
from tests.risk.arrays.lone import FREE, LOT, MARKS, code_of, lone, order

D = Decimal
LADDER = "BTCUSDT 10: 0.1 9x, 20: 0.2 5x"


@pytest.mark.parametrize(
    ("lots", "code"),
    [(999_999_999, None), (10**9, "invalid_size"), (10**9 + 1, "invalid_size")],
)
def test_the_largest_size_is_that_of_the_exchange(lots: int, code: str | None) -> None:
    """Of lots of one that are worth 0.001 USDT."""
    assert code_of(lone(10**15), order(lots, instrument=2)) == code
    assert code_of(lone(10**15), order(-lots, instrument=2)) == code


@pytest.mark.parametrize(("lots", "code"), [(50, None), (49, "below_min_notional")])
def test_the_least_notional_belongs_to_what_is_allowed(lots: int, code: str | None) -> None:
    """5 USDT."""
    assert code_of(lone(10**15), order(lots)) == code
    assert code_of(lone(10**15), order(-lots)) == code


@pytest.mark.parametrize(("room", "code"), [(0, None), (-1, "order_value_exceeded")])
def test_the_largest_order_belongs_to_what_is_allowed(room: int, code: str | None) -> None:
    """Of a tier, of an instrument, or in size: a hundred lots; what only reduces is not asked."""
    of_tier = Rules.of(
        policy_from({"max_order_value": {"beginner": amount(100 * LOT + room)}}, PRESETS["none"])
    )
    [first, *others] = USUAL.listed
    of_one = replace(first, max_order_value=amount(100 * LOT + room), taker_fee_rate=D(0))
    in_size = replace(first, max_order_size=first.lot_size * 100 + room * D("0.00000001"))
    for listed, rules in [(first, of_tier), (of_one, FREE), (in_size, FREE)]:
        held = lone(10**15, lots=-250, cost=-250 * LOT)
        book = replace(held, instruments=Instruments.of([listed, *others]))
        assert code_of(book.copy(), order(-100), rules) == code
        assert code_of(book.copy(), order(250), rules) is None
        assert code_of(book.copy(), order(251), rules) == "order_value_exceeded"
        assert code_of(book.copy(), order(251, reduce_only=True), rules) is None


@pytest.mark.parametrize(("room", "code"), [(0, None), (-1, "order_volume_exceeded")])
def test_the_largest_value_a_minute_belongs_to_what_is_allowed(room: int, code: str | None) -> None:
    """Two hundred lots together, without what only reduces and what was refused."""
    policy = policy_from({"max_minute_value": amount(200 * LOT + room)}, PRESETS["none"])
    book, sent = lone(10**15, lots=-50, cost=-50 * LOT), Sent(1)

    def next_code(asked: Orders) -> str | None:
        return CODES[place(book, Rules.of(policy), asked, MARKS, 0, sent=sent).code[0]]

    assert [next_code(order(lots)) for lots in (50, 201, 70)] == [
        None,
        "order_volume_exceeded",
        None,
    ]
    assert next_code(order(130)) == code
    assert next_code(order(-70, reduce_only=True)) is None
    # Nothing was sent before, and nobody will ask.
    assert code_of(lone(10**15), order(200), Rules.of(policy)) == code


def test_an_equal_order_is_refused_unless_it_only_reduces() -> None:
    policy = policy_from({"duplicate_seconds": 1}, PRESETS["none"])
    book, sent = lone(10**15, lots=100, cost=100 * LOT), Sent(1)

    def next_code(asked: Orders) -> str | None:
        return CODES[place(book, Rules.of(policy), asked, MARKS, 0, sent=sent).code[0]]

    assert [next_code(order(-50)) for _ in range(3)] == [None, None, "duplicate_order"]
    assert [next_code(order(lots)) for lots in (-60, 50, 50)] == [None, None, "duplicate_order"]
    # Nothing was sent before, and nobody will ask.
    assert [code_of(book, order(50), Rules.of(policy)) for _ in range(2)] == [None, None]


def test_one_lot_that_opens_makes_all_of_an_order_count() -> None:
    """Of 149 lots a minute an order that turns a short of 99 by a lot takes a hundred."""
    policy = policy_from({"max_minute_value": amount(149 * LOT)}, PRESETS["none"])
    book, sent = lone(10**15, lots=-99, cost=-99 * LOT), Sent(1)
    placed = [
        place(book, Rules.of(policy), order(lots), MARKS, 0, sent=sent).code[0]
        for lots in (100, 50)
    ]
    assert [CODES[code] for code in placed] == [None, "order_volume_exceeded"]
    assert sent.value.tolist() == [100 * LOT]


def test_by_brackets_the_position_after_the_order_says_what_is_allowed() -> None:
    """Up to 10 USDT, a hundred lots, at 9x, twice that at 3x; what only reduces is not asked."""
    rules = {"margin_mode": "brackets", "maintenance_brackets": "BTCUSDT 10: 0.1 9x, 20: 0.2 3x"}
    by = Rules.of(policy_from(rules, PRESETS["none"]))
    held = lone(10**15, lots=50, cost=50 * LOT)

    def code(lots: int, leverage: int, reduce_only: bool = False, at: int = 0) -> str | None:
        asked = order(lots, instrument=at, leverage=leverage, reduce_only=reduce_only)
        return code_of(held.copy(), asked, by)

    assert [code(50, 9), code(50, 10), code(51, 9)] == [
        None,
        "leverage_exceeds_bracket",
        "leverage_exceeds_bracket",
    ]
    assert [code(150, 3), code(151, 3)] == [None, "position_exceeds_brackets"]
    assert [code(-150, 9), code(-151, 9)] == [None, "leverage_exceeds_bracket"]
    assert [code(-50, 99), code(-900, 99, reduce_only=True)] == [None, None]
    assert code(60, 1, at=1) == "brackets_missing"
    placed = held.copy()
    assert code_of(placed, order(100, leverage=0), by) is None
    assert placed.margin[0, 0] == -(-100 * LOT // 3)


@pytest.mark.parametrize(("room", "code"), [(0, None), (-1, "below_maintenance")])
def test_what_is_required_after_the_order_belongs_to_what_it_allows(
    room: int, code: str | None
) -> None:
    """By brackets 200 lots require a fifth, less a tenth of 100, and a lot of another ten units."""
    rules: dict[str, object] = {"margin_mode": "brackets", "maintenance_brackets": LADDER}
    by = Rules.of(policy_from({**rules, "liquidation_threshold": D("0.5")}, PRESETS["none"]))
    required = 200 * LOT // 5 - 10 * LOT + 10
    fee = 100 * LOT // 2_000
    book = lone(required + fee + room, lots=-100, cost=-100 * LOT)
    book = replace(book, instruments=Instruments.of(USUAL.listed))
    book.lots[1, 0], book.cost[1, 0] = 1, 100_000 * book.instruments.unit[1]
    book.margin[1, 0] = 20
    assert code_of(book.copy(), order(-100, leverage=5), by) == code
    assert code_of(book.copy(), order(50, leverage=5), by) is None


@pytest.mark.parametrize(("room", "code"), [(0, None), (-1, "user_exposure_exceeded")])
def test_the_exposure_limit_of_a_user_belongs_to_what_it_allows(
    room: int, code: str | None
) -> None:
    rules = replace(FREE, user_exposure_limit=300 * LOT + room)
    book = lone(10**15, lots=100, cost=100 * LOT)
    book.reserved_notional[:] = 100 * LOT
    assert code_of(book, order(100), rules) == code


@pytest.mark.parametrize(("room", "code"), [(0, None), (-1, "insufficient_margin")])
def test_the_margin_that_is_available_belongs_to_what_it_allows(
    room: int, code: str | None
) -> None:
    """100 lots at a leverage of 3, beside what is tied up and reserved, with a fee of 0.0005."""
    needed = -(-100 * LOT // 3) + 100 * LOT // 2_000
    book = replace(lone(needed + 7 + 5 + room, margin=7), instruments=Instruments.of(USUAL.listed))
    book.reserved_margin[:] = 5
    assert code_of(book, order(100, leverage=3)) == code


@pytest.mark.parametrize(("room", "code"), [(0, None), (-1, "insufficient_margin")])
def test_a_loss_that_the_balance_just_settles_is_realised(room: int, code: str | None) -> None:
    """100 lots that had cost twice as much close: the balance is what is lost, and the fee."""
    loss = 100 * LOT + 100 * LOT // 2_000
    book = lone(loss + room, lots=100, cost=200 * LOT)
    book = replace(book, instruments=Instruments.of(USUAL.listed))
    assert code_of(book, order(-100, reduce_only=True)) == code


@pytest.mark.parametrize(("room", "code"), [(0, None), (-1, "global_exposure_exceeded")])
def test_the_threshold_of_all_belongs_to_what_it_allows(room: int, code: str | None) -> None:
    rules = replace(FREE, global_exposure_threshold=10**30 + 100 * LOT)
    assert code_of(lone(1_000 * UNITS), order(100), rules, 10**30 - room) == code
    # What only reduces is not asked.
    held = lone(1_000 * UNITS, lots=300, cost=300 * LOT, margin=300 * LOT)
    assert code_of(held, order(-100), rules, 10**31) is None


def test_an_order_that_is_refused_makes_no_room_and_takes_none() -> None:
    """Of three for 10, 30 and 20 USDT with 30 of room the second is refused."""
    rows, none = np.arange(3), np.zeros(3, np.int64)
    listed = lone(0).instruments
    book = Book.empty(listed, np.zeros(3, np.int8), none + 1_000 * UNITS)
    asked = Orders(rows, none.astype(np.int8), np.array([100, -300, 200]), none, none > 0)
    placed = place(book, replace(FREE, global_exposure_threshold=300 * LOT), asked, MARKS, 0)
    assert [CODES[code] for code in placed.code] == [None, "global_exposure_exceeded", None]
    assert book.lots[0].tolist() == [100, 0, 200]


def test_placing_nothing_changes_nothing() -> None:
    none = np.empty(0, np.int64)
    placed = place(
        lone(5), FREE, Orders(none, none.astype(np.int8), none, none, none > 0), MARKS, 7
    )
    assert (len(placed.code), len(placed.filled)) == (0, 0)
