"""Accounts are drawn before any policy is known, or read from a file line by line."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from kpi.lab.errors import StudyError
from kpi.lab.inputs.accounts import Population
from kpi.lab.inputs.population import make_population
from kpi.lab.inputs.tape import read_tape
from risk.policy import TIERS
from tests.each import each
from tests.kpi.lab.files import START, candle_file, study_in, write_rows

UNITS = 10**8
COLUMNS = "account,tier,balance,symbol,side,size,leverage,entered_at"
LONG = "a,beginner,1000.5,BTCUSDT,long,0.1,5,2025-10-10T00:05:00Z"
TWO = '{ BTCUSDT = "BTCUSDT.csv", ETHUSDT = "ETHUSDT.csv" }'


def drawn(folder: Path, keys: str = "", *, seed: int = 1, tape: str = "") -> Population:
    candle_file(folder, "ETHUSDT")
    study = study_in(folder, f"[population]\n{keys}\n{tape}", files=TWO)
    return make_population(study, seed, read_tape(study, study.variants[-1]))


def listed(folder: Path, rows: list[str], header: str = COLUMNS) -> Population:
    write_rows(folder / "people.csv", rows, header)
    study = study_in(folder, "[population]\nkind = 'file'\nfile = 'people.csv'")
    return make_population(study, 1, read_tape(study, study.variants[0]))


def test_a_seed_gives_the_same_accounts_each_time_and_another_seed_others(tmp_path: Path) -> None:
    assert drawn(tmp_path).sha256 == drawn(tmp_path).sha256
    assert drawn(tmp_path).sha256 != drawn(tmp_path, seed=2).sha256


def test_the_first_accounts_of_a_seed_are_known_by_their_digits(tmp_path: Path) -> None:
    """Another machine, or another version of NumPy, has to draw these."""
    people = drawn(tmp_path, "accounts = 3")
    assert people.tier.tolist() == [0, 2, 2]
    assert (people.balance // UNITS).tolist() == [1496, 19463, 23472]
    assert people.entries.leverage.tolist() == [17, 44, 7]


def test_neither_policies_nor_variants_of_the_tape_change_a_population(tmp_path: Path) -> None:
    plain = drawn(tmp_path).sha256
    assert (
        drawn(tmp_path, tape="[[policy]]\nname = 'x'\nmax_leverage = 1\ncadence = 9").sha256
        == plain
    )
    for variant in ("path = 'close'", "sub_steps = 7", "aggregate = 3"):
        assert drawn(tmp_path, tape=f"[[variant]]\nname = 'x'\n{variant}").sha256 == plain


def test_more_accounts_leave_the_first_ones_as_they_were(tmp_path: Path) -> None:
    few, many = drawn(tmp_path, "accounts = 50"), drawn(tmp_path, "accounts = 500")
    for one in ("tier", "balance", "stop", "top_up", "top_up_amount"):
        assert (getattr(few, one) == getattr(many, one)[:50]).all()
    first = many.entries.row < 50
    for column in fields(few.entries):
        kept = getattr(many.entries, column.name)[first]
        assert (getattr(few.entries, column.name) == kept).all()


def test_another_parameter_leaves_the_other_draws_alone(tmp_path: Path) -> None:
    plain, bolder = drawn(tmp_path), drawn(tmp_path, "leverage_median = 16\nlong_share = 1")
    assert (plain.balance == bolder.balance).all()
    assert (plain.entries.time == bolder.entries.time).all()
    assert (plain.entries.budget == bolder.entries.budget).all()
    assert bolder.entries.long.all()
    assert bolder.entries.leverage.mean() > 1.9 * plain.entries.leverage.mean()


def test_a_population_is_as_its_parameters_say(tmp_path: Path) -> None:
    people = drawn(tmp_path, "accounts = 20_000")
    shares = np.bincount(people.tier) / len(people.tier)
    assert shares == pytest.approx([0.6, 0.3, 0.1], abs=0.02)
    for tier, median in enumerate((2_000, 10_000, 50_000)):
        wealth = people.balance[people.tier == tier] / UNITS
        assert np.median(wealth) == pytest.approx(median, rel=0.1)
    assert np.median(people.entries.leverage) == 8
    assert people.entries.leverage.min() == 1
    assert people.entries.long.mean() == pytest.approx(0.55, abs=0.02)
    used = people.entries.budget / people.balance[people.entries.row]
    assert used.min() >= 0.0499
    assert used.max() <= 0.8
    assert (people.stop > 0).mean() == pytest.approx(0.3, abs=0.02)
    stops = people.stop[people.stop > 0] / UNITS
    assert (stops.min() >= 0.5, stops.max() <= 0.9) == (True, True)
    assert (people.top_up > 0).mean() == pytest.approx(0.2, abs=0.02)
    assert (people.top_up_amount[people.top_up > 0] == people.balance[people.top_up > 0] // 4).all()
    held = (people.entries.exit_time - people.entries.time) / 3600
    assert np.median(held) == pytest.approx(24, rel=0.05)


def test_entries_are_in_order_and_within_the_span_that_was_asked_for(tmp_path: Path) -> None:
    entries = drawn(tmp_path, "entry_from = 0.5\nentry_until = 0.75").entries
    order = entries.time * len(entries.row) + entries.row
    assert (np.diff(order) > 0).all()
    start = int(START.timestamp())
    assert entries.time.min() >= start + 600
    assert entries.time.max() < start + 900


def test_weights_say_what_is_traded(tmp_path: Path) -> None:
    assert drawn(tmp_path).entries.instrument.mean() == pytest.approx(0.5, abs=0.02)
    one = drawn(tmp_path, "symbols = { ETHUSDT = 3, BTCUSDT = 1 }")
    assert one.entries.instrument.mean() == pytest.approx(0.75, abs=0.02)
    assert (drawn(tmp_path, "symbols = { ETHUSDT = 1 }").entries.instrument == 1).all()


def test_some_accounts_enter_a_second_symbol_with_half_of_their_margin(tmp_path: Path) -> None:
    plain, people = drawn(tmp_path), drawn(tmp_path, "second_share = 0.5")
    rows, counts = np.unique(people.entries.row, return_counts=True)
    assert len(rows) == len(people.balance)
    assert counts.max() == 2
    assert (counts == 2).mean() == pytest.approx(0.5, abs=0.02)
    used, alone = (
        np.bincount(some.entries.row, weights=some.entries.budget) for some in (people, plain)
    )
    assert (np.abs(used - alone) <= 1).all()
    symbols = np.bincount(people.entries.row, weights=people.entries.instrument)
    assert (symbols[counts == 2] == 1).all()
    one = drawn(tmp_path, "second_share = 1\nsymbols = { ETHUSDT = 1 }").entries
    assert len(one.row) == len(people.balance)


def test_what_an_account_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"\[population\] wealth_median .* more than 9,000,"):
        drawn(tmp_path, "wealth_median = 9_000_000_000")
    with pytest.raises(StudyError, match=r"\[population\] wealth_median or leverage_median: an"):
        drawn(tmp_path, "wealth_median = 900_000_000\nwealth_sigma = 0\nleverage_median = 1000")
    with pytest.raises(StudyError, match=r"\[population\] wealth_median or top_up_amount: an"):
        drawn(tmp_path, "wealth_median = 8_000_000_000\nwealth_sigma = 0\nleverage_median = 1\n"
              "leverage_sigma = 0")  # fmt: skip


def test_nobody_can_change_a_population_that_cells_share(tmp_path: Path) -> None:
    people = drawn(tmp_path)
    with pytest.raises(ValueError, match="read-only"):
        people.balance[0] = 1


def test_a_file_has_accounts_in_their_order_and_an_entry_a_row(tmp_path: Path) -> None:
    people = listed(
        tmp_path,
        [
            "zoe,advanced,500,BTCUSDT,short,0.2,20,2025-10-10T00:10:00Z",
            LONG,
            "idle,intermediate,7,,,,,",
            "zoe,advanced,500,BTCUSDT,long,0.00001,,2025-10-10",
            "zoe,advanced,500,BTCUSDT,long,0.00002,,2025-10-10T02:05:00+02:00",
            "idle,intermediate,7,BTCUSDT,long,0.00003,,2025-10-10T00:05:00.5",
        ],
    )
    assert people.names == ("zoe", "a", "idle")
    assert [TIERS[tier] for tier in people.tier] == ["advanced", "beginner", "intermediate"]
    assert people.balance.tolist() == [500 * UNITS, 100050 * UNITS // 100, 7 * UNITS]
    entries = people.entries
    assert entries.row.tolist() == [0, 0, 1, 2, 0]
    assert entries.lots.tolist() == [1, 2, 10_000, 3, -20_000]
    assert entries.long.tolist() == [True] * 4 + [False]
    assert entries.leverage.tolist() == [0, 0, 5, 0, 20]
    start = int(START.timestamp())
    assert entries.time.tolist() == [start, start + 300, start + 300, start + 301, start + 600]
    assert entries.exit_time.tolist() == [-1] * 5
    assert not people.stop.any()
    assert not people.lots.any()


@each(
    ("row", "complaint"),
    [
        (",beginner,1,BTCUSDT,long,1,5,2025-10-10", "account: a name of one line"),
        ("b,expert,1,BTCUSDT,long,1,5,2025-10-10", "tier: one of beginner, intermediate, advanced"),
        ("b,beginner,x,BTCUSDT,long,1,5,2025-10-10", "balance: USDT from 0 to 9,000,000,000"),
        ("b,beginner,-1,BTCUSDT,long,1,5,2025-10-10", "balance: USDT from 0 to 9,000,000,000"),
        ("b,beginner,9000000001,BTCUSDT,long,1,5,2025-10-10", "balance: USDT from 0 to 9,000"),
        ("b,beginner,0.000000001,BTCUSDT,long,1,5,2025-10-10", "balance: USDT from 0 to 9,000"),
        ("b,beginner,1,ETHUSDT,long,1,5,2025-10-10", "symbol: one of BTCUSDT, not 'ETHUSDT'"),
        ("b,beginner,1,BTCUSDT,buy,1,5,2025-10-10", "side: one of long, short, not 'buy'"),
        ("b,beginner,1,BTCUSDT,long,0.000001,5,2025-10-10", "size: a positive multiple of 0.00001"),
        ("b,beginner,1,BTCUSDT,long,0,5,2025-10-10", "size: a positive multiple of 0.00001"),
        ("b,beginner,1,BTCUSDT,long,nan,5,2025-10-10", "size: a number, not 'nan'"),
        (
            "b,beginner,1,BTCUSDT,long,1e8,5,2025-10-10",
            "size: 1e8 is worth more than 9,000",
        ),
        ("b,beginner,1,BTCUSDT,long,1,0,2025-10-10", "leverage: a whole number from 1 to 32767"),
        ("b,beginner,1,BTCUSDT,long,1,5.5,2025-10-10", "leverage: a whole number from 1 to 32767"),
        ("b,beginner,1,BTCUSDT,long,1,5,soon", "entered_at: a time such as 2025-10-10T00:00:00Z"),
        (
            "b,beginner,1,BTCUSDT,long,1,5,2025-10-11",
            "entered_at: 2025-10-11 is after the last",
        ),
        ("a,beginner,1,BTCUSDT,long,1,5,2025-10-10", "tier and balance of account 'a' differ from"),
        ("a,advanced,1000.5,BTCUSDT,long,1,5,2025-10-10", "tier and balance of account 'a' differ"),
        ("b,beginner,1,BTCUSDT,long,1,5,2025-10-10,more", "more values than columns"),
    ],
)
def test_a_row_that_cannot_be_is_refused_with_its_line(
    tmp_path: Path, row: str, complaint: str
) -> None:
    with pytest.raises(StudyError, match=rf"people.csv, line 3: {complaint}"):
        listed(tmp_path, [LONG, row])


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"people.csv, line 1: the columns are account, tier, bal"):
        listed(tmp_path, [LONG], COLUMNS.replace("size", "amount"))
    with pytest.raises(StudyError, match=r"people.csv: it has no account"):
        listed(tmp_path, [])
    with pytest.raises(StudyError, match=r"people.csv, after line 2"):
        listed(tmp_path, [LONG, '"a"b,c'])
