"""Orders of many accounts are refused, filled and booked as the exchange does one by one."""

from collections import Counter
from dataclasses import fields, replace
from decimal import Decimal

import numpy as np
import pytest
from numpy.random import Generator

from risk.arrays.books import Book, Instruments
from risk.arrays.orders import Orders
from risk.arrays.placing import Placed, place
from risk.arrays.refusals import CODES
from risk.arrays.rules import Rules
from risk.arrays.sent import Sent
from risk.arrays.units import LARGEST, UNITS, OutOfRange, Whole, amount
from risk.denials import DENIALS
from risk.engine import Approval
from risk.maintenance import BRACKETS, requirement_of
from risk.policy import MARGIN_MODES, PRESETS, policy_from
from tests.each import each
from tests.risk.arrays.cases import PER_BOOK, TINY, USUAL, Case, account_states, cases, needed
from tests.risk.arrays.exchange import Exchange

D = Decimal
Answers = list[str | Approval]
#: What a market order on a listed instrument at a fresh mark can be refused with.
POSSIBLE = {
    *("trading_halted", "account_suspended", "invalid_size", "below_min_notional"),
    *("order_value_exceeded", "order_volume_exceeded", "reducing_only", "tier_halted"),
    *("leverage_exceeds_tier", "leverage_exceeds_volatility", "reduce_only_rejected"),
    *("brackets_missing", "position_exceeds_brackets", "leverage_exceeds_bracket"),
    *("insufficient_margin", "below_maintenance"),
    *("user_exposure_exceeded", "global_exposure_exceeded"),
}
#: What only other orders, symbols or marks can, or a second order.
NEVER = {
    "duplicate_order",
    *("stale_price", "unknown_symbol", "instrument_halted", "invalid_price"),
    *("too_many_open_orders", "price_out_of_band"),
}


def random_orders(rng: Generator, case: Case) -> Orders:
    """Return orders that close, turn, reduce and open, many as large as the margin just allows."""
    book = case.book
    rows = np.flatnonzero(rng.random(len(book.balance)) < 0.8)
    n = len(rows)
    instrument = rng.integers(0, len(book.lots), n, dtype=np.int8)
    held, value = book.lots[instrument, rows], (book.instruments.unit * case.marks)[instrument]
    free = book.equity(case.marks, rows) - book.position_margin(rows) - book.reserved_margin[rows]
    highest = Rules.of(case.policy).max_leverage[book.tier[rows]]
    leverage = np.where(rng.random(n) < 0.04, highest + 1, rng.integers(0, highest + 1))
    just = np.clip(free, 0, LARGEST // 1_000) * np.where(leverage, leverage, highest) // value
    side = rng.choice([-1, 1], n)
    kinds = [
        side * np.maximum(just + rng.integers(-2, 3, n), 0),
        side * rng.integers(0, 10 ** rng.integers(1, case.scale.lots + 2, n)),
        -held,
        -held * rng.integers(0, 1_001, n) // 1_000,
        -2 * held + side,
        rng.integers(-1, 2, n),
    ]
    lots = np.choose(rng.choice(6, n, p=[0.25, 0.1, 0.1, 0.2, 0.32, 0.03]), kinds)
    lots = np.where((lots == 0) & (rng.random(n) < 0.9), kinds[0], lots)
    most = LARGEST // 4 // value
    reduce_only = rng.random(n) < 0.2
    return Orders(rows, instrument, np.clip(lots, -most, most), leverage, reduce_only)


def fund(rng: Generator, case: Case) -> None:
    """Give most accounts the means to trade beside what they hold."""
    means = case.book.exposure(case.marks) * 2 // rng.integers(1, 9, len(case.book.balance))
    case.book.balance += np.minimum(means, LARGEST // 4) * (rng.random(len(means)) < 0.7)


def thin(rng: Generator, case: Case, orders: Orders) -> Orders:
    """By brackets let some accounts have far less margin than they require, and little above that.

    What they order then takes up about all of it.
    """
    if case.policy.margin_mode != BRACKETS:
        return orders
    [own], book, ladders = rng.spawn(1), case.book, requirement_of(case.policy).ladders
    chosen = own.random(len(orders.rows)) < 0.4
    instrument, lots = orders.instrument.copy(), orders.lots.copy()
    value = book.instruments.unit * case.marks
    for at in chosen.nonzero()[0].tolist():
        [row] = rows = orders.rows[[at]]
        book.margin[:, row] //= 30
        [least], [equity] = (
            needed(book, case.marks, case.policy, rows),
            book.equity(case.marks, rows),
        )
        spare = least // int(own.integers(2, 30))
        if 0 <= book.balance[row] + least + spare - equity < LARGEST // 10:
            book.balance[row] += least + spare - equity
        of_ladders = [n for n, one in enumerate(case.listed) if one.symbol in ladders]
        most = instrument[at] = max(of_ladders, key=lambda n: abs(book.lots[n, row]) * value[n])
        rate = ladders[case.listed[most].symbol][-1].rate
        enough = min(int(int(spare) / (rate * int(value[most]))), LARGEST // 4 // int(value[most]))
        lots[at] = enough + own.integers(-1, 2)
        lots[at] *= np.sign(book.lots[most, row]) or 1
    leverage, reduce_only = orders.leverage * ~chosen, orders.reduce_only & ~chosen
    return Orders(orders.rows, instrument, lots, leverage, reduce_only)


def with_limits(rng: Generator, case: Case, total: int) -> Case:
    """Return a case of which the exposure of an account, and of all, may be near its limit.

    A few have bands of volatility.
    """
    values: dict[str, object] = {}
    if rng.random() < 0.6:
        exposure = rng.choice(case.book.exposure(case.marks)) * rng.integers(1, 9)
        values["user_exposure_limit"] = amount(exposure)
    if rng.random() < 0.6:
        room = int(rng.integers(0, 10 ** rng.integers(1, case.scale.balance + 2)))
        values["global_exposure_threshold"] = amount(total + room)
    [own] = rng.spawn(1)
    if own.random() < 0.3:
        usual = int(own.choice(case.book.exposure(case.marks))) + 1
        values["max_minute_value"] = {"intermediate": amount(usual)}
        values["max_order_value"] = {"beginner": amount(usual), "advanced": amount(3 * usual)}
    if own.random() < 0.25:
        values["volatility_bands"] = "0.03: 0.75, 0.06: 0.5"
    return replace(case, policy=policy_from(values, base=case.policy))


def ranging(rng: Generator, case: Case) -> tuple[Whole, list[Decimal]]:
    """Return bands of ranges about the bounds, and the ranges as the exchange keeps them."""
    [own], low = rng.spawn(1), case.marks
    high = low + low * own.integers(1, 8, len(low)) // 100 + own.integers(-1, 2, len(low))
    high = np.maximum(low, high)
    moved = zip((high - low).tolist(), low.tolist(), strict=True)
    kept = [amount(by * UNITS // least) for by, least in moved]
    return Rules.of(case.policy).bands(low, high), kept


def test_orders_do_what_they_do_at_the_exchange() -> None:
    seen, kinds = Counter[str | None](), Counter[str]()
    for rng, drawn in cases(seed=13, margin_modes=MARGIN_MODES):
        fund(rng, drawn)
        total = int(drawn.book.exposure(drawn.marks).sum())
        case = with_limits(rng, drawn, total)
        orders = thin(rng, case, random_orders(rng, case))
        after = case.book.copy()
        bands, ranges = ranging(rng, case)
        with np.errstate(all="raise"):
            placed = place(after, Rules.of(case.policy), orders, case.marks, total, bands)
        listed = [
            replace(one, realized_range=share)
            for one, share in zip(case.listed, ranges, strict=True)
        ]
        exchange = Exchange(case.book, listed, case.marks, case.policy)
        check_answers(placed, exchange.place(orders), orders, case)
        assert account_states(after, case.listed) == exchange.states
        assert (np.abs(after.lots).max(axis=1) <= after.widest).all()
        assert amount(sum(after.exposure(case.marks).tolist())) == exchange.total
        seen.update(CODES[code] for code in placed.code.tolist())
        kinds.update(flips=int(((placed.closed > 0) & (placed.opened > 0)).sum()))
        part = (placed.closed > 0) & (after.lots[orders.instrument, orders.rows] != 0)
        kinds.update(parts=int((part & (placed.opened == 0)).sum()))
    assert seen.keys() == {None, *POSSIBLE}
    assert min(kinds["flips"], kinds["parts"], seen["below_maintenance"], seen[None]) > 15


def test_orders_of_several_steps_at_once_do_what_they_do_one_step_after_the_other() -> None:
    seen = Counter[str | None]()
    for rng, drawn in cases(seed=20, margin_modes=MARGIN_MODES):
        fund(rng, drawn)
        case = with_limits(rng, drawn, exposure_of_all(drawn.book, drawn.marks))
        rules, orders = Rules.of(case.policy), thin(rng, case, random_orders(rng, case))
        low, high = np.array(case.scale.prices).T
        ways = rng.integers(-3, 4, (4, len(low))) * np.maximum((high - low) // 40, 1)
        marks, step = np.clip(case.marks + ways, low, high), np.sort(rng.integers(0, 4, PER_BOOK))
        step, apart, together = step[: len(orders.rows)], case.book.copy(), case.book.copy()
        before = [exposure_of_all(together, at) for at in marks]
        bands = rng.spawn(1)[0].integers(0, len(rules.by_band), marks.shape)
        totals = [before[n] for n in step]
        placed = place(together, rules, orders, marks[step].T, totals, bands[step].T)
        parts = [
            place(apart, rules, keep(orders, step == n), at, exposure_of_all(apart, at), bands[n])
            for n, at in enumerate(marks)
        ]
        for one in fields(placed):
            expected = np.concatenate([getattr(part, one.name) for part in parts])
            assert getattr(placed, one.name).tolist() == expected.tolist()
        for name in ("balance", "lots", "cost", "margin"):
            assert (getattr(apart, name) == getattr(together, name)).all()
        seen.update(CODES[code] for code in placed.code.tolist())
    assert seen["global_exposure_exceeded"] > 20
    assert seen[None] > 200


def keep(orders: Orders, chosen: np.ndarray) -> Orders:
    return Orders(*(getattr(orders, one.name)[chosen] for one in fields(orders)))


def exposure_of_all(book: Book, marks: Whole) -> int:
    return sum(book.exposure(marks).tolist())


def check_answers(placed: Placed, answers: Answers, orders: Orders, case: Case) -> None:
    codes = [one if isinstance(one, str) else None for one in answers]
    assert [CODES[code] for code in placed.code.tolist()] == codes
    for at, answer in enumerate(answers):
        did = [getattr(placed, name)[at] for name in ("filled", "closed", "opened")]
        money = [amount(placed.realized[at]), amount(placed.fee[at])]
        if not isinstance(answer, Approval):
            assert [*did, *money] == [0, 0, 0, 0, 0]
            continue
        execution = answer.execution
        assert execution is not None
        fill, lot = execution.fill, case.listed[orders.instrument[at]].lot_size
        sizes = [execution.size, fill.closed_size, fill.opened_size]
        assert [int(one) * lot for one in did] == sizes
        assert money == [fill.realized_pnl, execution.fee]


def test_codes_are_the_denials_in_the_order_in_which_checks_answer() -> None:
    assert list(CODES) == [None, *DENIALS]
    assert DENIALS.keys() == POSSIBLE | NEVER


def lone(balance: int, **held: int) -> Book:
    """Return an account with lots of the first instrument, each worth 0.1 USDT at ``MARKS``."""
    listed = Instruments.of([replace(one, taker_fee_rate=D(0)) for one in USUAL.listed])
    book = Book.empty(listed, np.zeros(1, np.int8), np.array([balance]))
    columns = {name: getattr(book, name).copy() for name in held}
    for name, value in held.items():
        columns[name][0, 0] = value
    return replace(book, **columns)


LADDER = "BTCUSDT 10: 0.1 9x, 20: 0.2 5x"
MARKS = np.array([1_000_000, 100_000, 100])
LOT = UNITS // 10
FREE = Rules.of(PRESETS["none"])


def order(
    lots: int, *, instrument: int = 0, leverage: int = 1, reduce_only: bool = False
) -> Orders:
    one = np.zeros(1, np.int64)
    return Orders(one, np.int8([instrument]), one + lots, one + leverage, np.array([reduce_only]))


def code_of(book: Book, asked: Orders, rules: Rules = FREE, total: int = 0) -> str | None:
    return CODES[place(book, rules, asked, MARKS, total).code[0]]


@pytest.mark.parametrize(("lots", "code"), [(999_999_999, None), (10**9, "invalid_size")])
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


def test_an_equal_order_is_refused_unless_it_only_reduces() -> None:
    policy = policy_from({"duplicate_seconds": 1}, PRESETS["none"])
    book, sent = lone(10**15, lots=100, cost=100 * LOT), Sent(1)

    def next_code(asked: Orders) -> str | None:
        return CODES[place(book, Rules.of(policy), asked, MARKS, 0, sent=sent).code[0]]

    assert [next_code(order(-50)) for _ in range(3)] == [None, None, "duplicate_order"]
    assert [next_code(order(lots)) for lots in (-60, 50, 50)] == [None, None, "duplicate_order"]


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


MOST = LARGEST // LOT


def test_an_order_of_the_largest_amount_is_placed_and_one_lot_more_is_refused() -> None:
    for lots in (MOST, -MOST):
        book = lone(LARGEST)
        assert code_of(book, order(lots)) is None
        assert (book.lots[0, 0], abs(book.cost[0, 0]), book.margin[0, 0]) == (
            lots,
            LARGEST,
            LARGEST,
        )
        with pytest.raises(OutOfRange, match="An order is for more than 9,000,000,000 USDT"):
            code_of(lone(LARGEST), order(lots + (1 if lots > 0 else -1)))


def test_a_lot_above_the_largest_amount_is_seen_where_a_float_would_not_see_it() -> None:
    """Of lots of 7 units the amount holds 128,571,428,571,428,571, which no float is near."""
    book = Book.empty(Instruments.of(TINY.listed), np.zeros(1, np.int8), np.array([LARGEST]))
    marks = np.array([1, 7, 1])
    with pytest.raises(OutOfRange, match="An order"):
        place(book, FREE, order(LARGEST // 7 + 1, instrument=1), marks, 0)


def test_an_account_may_come_to_hold_the_largest_amount() -> None:
    half = {"lots": MOST // 2, "cost": LARGEST // 2, "margin": LARGEST // 2}
    book = lone(LARGEST, **half)
    assert code_of(book, order(MOST // 2)) is None
    assert (book.lots[0, 0], book.cost[0, 0], book.margin[0, 0]) == (MOST, LARGEST, LARGEST)


@each(
    ("held", "lots"),
    [
        # Exposure: the largest and a lot that was held before, and had cost nothing.
        ({"lots": 1}, MOST),
        # Cost: the largest exposure, of which a lot was bought at twice the mark.
        ({"lots": 1, "cost": 2 * LOT}, MOST - 1),
        # Margin: a third and a unit are tied up, and a third of gains pays for two thirds more.
        ({"lots": MOST // 3, "margin": LARGEST // 3 + 1}, MOST // 3 * 2),
        # Balance: the gain of a third comes to it.
        ({"lots": MOST // 3}, -100),
    ],
)
def test_an_account_that_would_become_too_large_is_left_as_it_was(
    held: dict[str, int], lots: int
) -> None:
    book = lone(LARGEST, **held)
    before = book.copy()
    with pytest.raises(OutOfRange, match="Account 0"):
        code_of(book, order(lots))
    for name in ("balance", "lots", "cost", "margin"):
        assert (getattr(book, name) == getattr(before, name)).all()
    at_most = {"lots": 0, "cost": 0, "margin": held.get("margin", 0) and LARGEST // 3}
    assert code_of(lone(LARGEST, **at_most), order(MOST // 3 * 2)) is None
