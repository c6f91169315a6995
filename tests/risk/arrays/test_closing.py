"""Close-outs of many accounts are those of the exchange, leg by leg and to the last digit."""

from dataclasses import fields, replace
from decimal import Decimal

import numpy as np
import pytest

from market.kernel.amounts import ZERO
from risk import closing
from risk.arrays.closing import CloseOuts, Legs, close_out, cover
from risk.arrays.rules import Rules
from risk.arrays.units import LARGEST, UNITS, OutOfRange, amount
from risk.closing import LARGEST_LOSS_FIRST
from risk.policy import MARGIN_MODES, PRESETS, policy_from
from tests.each import each
from tests.risk.arrays.cases import USUAL, Case, account_states, cases, in_usdt, random_case
from tests.risk.arrays.exchange import Exchange

D = Decimal


def legs_of(out: closing.CloseOut, case: Case, row: int, index: int) -> list[dict[str, object]]:
    """Return the legs of a close-out of the exchange, as the arrays name their columns."""
    legs, balance = list[dict[str, object]](), amount(case.book.balance[row])
    equity, margin = out.before.equity, out.before.margin
    for one in out.closings:
        number = one.position.instrument_id - 1
        legs.append(
            {
                "close_out": index,
                "row": row,
                "instrument": number,
                "lots": int(
                    (one.position.holding.quantity - one.left.quantity)
                    / case.scale.listed[number].lot_size
                ),
                "mark": int(case.marks[number]),
                "realized": one.realized_pnl,
                "fee": one.fee,
                "balance_before": balance,
                "equity_before": equity,
                "margin_before": margin,
            }
        )
        balance += one.realized_pnl - one.fee
        equity -= one.fee
        margin -= one.position.holding.margin - one.left.margin
    return legs


#: What of a leg is an amount.
AMOUNTS = ("realized", "fee", "balance_before", "equity_before", "margin_before")


def columns(legs: Legs) -> list[dict[str, object]]:
    names = [field.name for field in fields(Legs)]
    rows = zip(*(getattr(legs, name).tolist() for name in names), strict=True)
    return [
        {k: amount(v) if k in AMOUNTS else v for k, v in zip(names, row, strict=True)}
        for row in rows
    ]


def test_close_outs_are_those_of_the_exchange() -> None:
    done = deficits = fees = parts = 0
    for rng, case in cases(seed=3, margin_modes=MARGIN_MODES):
        after = case.book.copy()
        exchange = Exchange(case.book, case.scale.listed, case.marks, case.policy)
        rows = np.flatnonzero(rng.random(len(after.balance)) < 0.8)
        out = close_out(after, Rules.of(case.policy), rows, case.marks)
        check(out, [exchange.close_out(row)[0] for row in rows.tolist()], case)
        assert account_states(after, case.listed) == exchange.states
        done += len(out.legs.row)
        deficits += int((out.deficit > 0).sum())
        fees += int((out.fee > 0).sum())
        held = case.book.lots[out.legs.instrument, out.legs.row]
        parts += int((held != out.legs.lots).sum())
    assert min(done, deficits, fees) > 100
    assert parts > 30


def check(out: CloseOuts, wanted: list[closing.CloseOut], case: Case) -> None:
    assert in_usdt(out.equity_before) == [one.before.equity for one in wanted]
    assert in_usdt(out.margin_before) == [one.before.margin for one in wanted]
    assert in_usdt(out.deficit) == [max(-one.balance, ZERO) for one in wanted]
    assert in_usdt(out.balance_after) == [max(one.balance, ZERO) for one in wanted]
    fees = [sum((leg.fee for leg in one.closings), ZERO) for one in wanted]
    assert in_usdt(out.fee) == fees
    assert (out.balance_before == case.book.balance[out.rows]).all()
    numbered = enumerate(zip(wanted, out.rows.tolist(), strict=True))
    legs = [leg for index, (one, row) in numbered for leg in legs_of(one, case, row, index)]
    assert columns(out.legs) == legs


def test_a_fund_pays_one_account_after_the_other_once_its_fee_has_come() -> None:
    deficit, fee = np.array([0, 30, 25, 0, 10]), np.array([5, 0, 10, 7, 0])
    paid, bad_debt, fund = cover(deficit, fee, 20)
    assert paid.tolist() == [0, 25, 10, 0, 7]
    assert bad_debt.tolist() == [0, 5, 15, 0, 3]
    assert fund == 0
    assert cover(deficit[:0], fee[:0], -3)[2] == -3


@each("fund", [-(10**20), 0, 10**4, 10**20])
def test_a_fund_pays_what_the_exchange_says(fund: int) -> None:
    rng = np.random.default_rng(4)
    deficit = rng.integers(0, 1_000, 200) * (rng.random(200) < 0.5)
    fee = rng.integers(0, 100, 200)
    paid, bad_debt, left = cover(deficit, fee, fund)
    available = D(fund)
    for index in range(200):
        available += int(fee[index])
        pays = closing.cover(D(int(deficit[index])), available)
        assert (paid[index], bad_debt[index]) == pays
        available -= pays[0]
    assert left == available


def test_closing_out_nobody_changes_nothing() -> None:
    case = random_case(np.random.default_rng(5), USUAL)
    before = case.book.copy()
    out = close_out(case.book, Rules.of(case.policy), np.empty(0, np.int64), case.marks)
    assert len(out.rows) == len(out.legs.row) == len(out.deficit) == 0
    assert account_states(case.book, case.listed) == account_states(before, case.listed)


@pytest.mark.parametrize(("balance", "legs"), [(-1, 2), (0, 1)])
def test_a_partial_close_out_goes_on_until_the_last_unit_of_loss_is_paid(
    balance: int, legs: int
) -> None:
    """What is left is margin enough; the balance is what the first loss of 100 USDT leaves."""
    book = random_case(np.random.default_rng(6), USUAL, accounts=1).book
    lots = np.array([[1_000_000], [0], [1]])
    cost = lots * np.array([[10_000_000], [0], [0]]) + np.array([[100 * UNITS], [0], [0]])
    margin, before = np.array([[100 * UNITS], [0], [0]]), np.array([100 * UNITS + balance])
    book = replace(book, lots=lots, cost=cost, margin=margin, balance=before)
    book.reserved_margin[:] = book.reserved_notional[:] = 0
    rules = Rules.of(policy_from({"liquidation_mode": LARGEST_LOSS_FIRST}, base=PRESETS["seed"]))
    out = close_out(book, rules, np.zeros(1, np.int64), np.array([1_000_000, 1, 1_000]))
    assert len(out.legs.row) == legs


def test_a_balance_above_the_range_is_refused_with_the_book_as_it_was() -> None:
    """A gain of 10 lots of 10,000 USDT lifts a balance to the largest, or a unit above it."""
    book = random_case(np.random.default_rng(6), USUAL, accounts=1).book
    lots = np.array([[1_000_000], [0], [0]])
    book = replace(book, lots=lots, cost=lots * 0, balance=np.array([LARGEST - 100_000 * UNITS]))
    rules = Rules.of(random_case(np.random.default_rng(6), USUAL).policy)
    rules = replace(rules, partly=False, reduces=False, fee_rate=0)
    marks, beyond = np.array([1_000_000, 1, 1]), book.copy()
    beyond.balance[0] += 1
    assert close_out(book, rules, np.zeros(1, np.int64), marks).balance_after.tolist() == [LARGEST]
    with pytest.raises(OutOfRange, match="balance"):
        close_out(beyond, rules, np.zeros(1, np.int64), marks)
    assert (beyond.lots[0, 0], beyond.balance[0]) == (1_000_000, LARGEST - 100_000 * UNITS + 1)
