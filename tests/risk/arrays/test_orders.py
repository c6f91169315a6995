"""Orders of many accounts are refused, filled and booked as the exchange does one by one."""

from collections import Counter
from dataclasses import fields, replace
from decimal import Decimal

import numpy as np
from numpy.random import Generator

from risk.arrays.books import Book
from risk.arrays.orders import Orders
from risk.arrays.placing import Placed, place
from risk.arrays.refusals import CODES
from risk.arrays.rules import Rules
from risk.arrays.units import LARGEST, UNITS, Whole, amount
from risk.denials import DENIALS
from risk.engine import Approval
from risk.maintenance import BRACKETS, requirement_of
from risk.policy import MARGIN_MODES, policy_from
from tests.risk.arrays.cases import PER_BOOK, Case, account_states, cases, needed
from tests.risk.arrays.exchange import Exchange

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
