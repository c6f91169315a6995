"""A study of the running exchange begins with its accounts as they are, at its marks."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from accounts.models import Account, User
from accounts.services import create_user
from kpi.lab.errors import StudyError
from kpi.lab.inputs.config import Study, read_study
from kpi.lab.inputs.exchange_book import CHUNK, take_book
from kpi.lab.inputs.population import Population, make_population
from kpi.lab.inputs.tape import Tape, read_tape
from risk.arrays.books import Book
from risk.arrays.units import amount
from risk.margin import margin_ratio
from risk.policy import TIERS
from tests.conftest import ClientOf
from tests.each import each
from tests.kpi.lab.files import candle_file

pytestmark = pytest.mark.django_db

D = Decimal
#: Falls by a fifth within its first bar.
BTC = ("100000,101000,80000,90000", "90000,90000,80000,81000.5")
ETH = ("4000,4100,3900,4000", "4000,4000,3000,3200.5")


def study_of_the_exchange(folder: Path, *, take: Any = take_book, more: str = "") -> Study:
    candle_file(folder, "BTCUSDT", bars=BTC)
    candle_file(folder, "ETHUSDT", bars=ETH)
    file = folder / "ours.toml"
    file.write_text(
        'population = { kind = "exchange" }\n[tape.files]\nBTCUSDT = "BTCUSDT.csv"\n'
        f'ETHUSDT = "ETHUSDT.csv"\n{more}'
    )
    return read_study(file, take=take)


def begun(study: Study) -> tuple[Tape, Population]:
    tape = read_tape(study, study.variants[0])
    return tape, make_population(study, study.seeds[0], tape)


def book_of(tape: Tape, population: Population) -> Book:
    columns = ("tier", "balance", "lots", "cost", "margin", "reserved_margin", "reserved_notional")
    held = {name: getattr(population, name) for name in (*columns, "suspended")}
    return Book(tape.instruments, **held)


@pytest.fixture
def trading(order: Any) -> None:
    """Longs and shorts, a resting order, losses and gains, and marks between round numbers."""
    assert order("beginner", "buy", "0.33333") == 200
    assert order("intermediate", "sell", "0.7") == 200
    assert order("intermediate", "buy", "3.3333", symbol="ETHUSDT") == 200
    assert order("advanced", "buy", "1.1", leverage="7") == 200
    assert order("advanced", "sell", "0.31234", leverage="3") == 200
    assert order("advanced", "buy", "0.5", type="limit", price="60000.01") == 200
    call_command("set_price", "BTCUSDT", "64321.09", verbosity=0)
    call_command("set_price", "ETHUSDT", "3199.87", verbosity=0)


def test_at_unmoved_marks_each_account_is_what_the_api_says_and_prices_go_on_from_there(
    trading: None, client_of: ClientOf, tmp_path: Path
) -> None:
    tape, population = begun(study_of_the_exchange(tmp_path))
    book = book_of(tape, population)
    equity, margin = book.equity(tape.marks[0]), book.position_margin()
    exposure = book.exposure(tape.marks[0])
    assert population.names is not None
    assert len(population.names) == 3
    for row, number in enumerate(population.names):
        user = Account.objects.get(pk=number).user
        assert user is not None
        said = client_of(user).get("/account/me").json()
        used = margin[row] + population.reserved_margin[row]
        ratio = margin_ratio(amount(equity[row]), amount(margin[row]))
        assert D(said["equity"]) == amount(equity[row])
        assert D(said["balance"]) == amount(population.balance[row])
        assert D(said["margin_used"]) == amount(used)
        assert D(said["exposure"]) == amount(exposure[row])
        assert ratio is not None
        assert D(said["margin_ratio"]) == ratio
        assert said["tier"] == TIERS[population.tier[row]]
    assert population.reserved_margin.any()
    assert len(population.entries.row) == 0
    prices_go_the_recorded_way_from_the_exchange_s_marks_on(tape)


def prices_go_the_recorded_way_from_the_exchange_s_marks_on(tape: Tape) -> None:
    """From 64,321.09 where the tape has 100,000, and to the nearest tick."""
    btc = [f"{tick / 100:.2f}" for tick in tape.marks[:4, 0]]
    assert btc == ["64321.09", "64964.30", "51456.87", "57888.98"]
    assert f"{tape.marks[-1, 1] / 100:.2f}" == "2560.30"


def test_a_symbol_that_the_exchange_does_not_know_keeps_its_prices(
    demo: None, tmp_path: Path
) -> None:
    candle_file(tmp_path, "DOGEUSDT", bars=("2,3,1,2", "2,2,2,2"))
    tape, population = begun(
        study_of_the_exchange(
            tmp_path,
            more='DOGEUSDT = "DOGEUSDT.csv"\n'
            '[[instrument]]\nsymbol = "DOGEUSDT"\ntick_size = 0.01\nlot_size = 1\n',
        )
    )
    assert tape.instruments.symbols == ("BTCUSDT", "DOGEUSDT", "ETHUSDT")
    assert tape.marks[0].tolist() == [65_000_00, 2_00, 3_200_00]
    assert population.lots.shape == (3, 3)


def test_accounts_are_taken_once(demo: None, order: Any, tmp_path: Path) -> None:
    """What happens later changes no cell of the study; to take them anew, delete the file."""
    first = study_of_the_exchange(tmp_path)
    assert order("beginner", "buy", "0.1") == 200
    again = study_of_the_exchange(tmp_path)
    assert again.digest == first.digest
    assert not begun(again)[1].lots.any()
    (tmp_path / "ours.book.jsonl").unlink()
    anew = study_of_the_exchange(tmp_path)
    assert anew.digest != first.digest
    assert begun(anew)[1].lots.any()


def test_without_an_exchange_there_is_nobody_to_take(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"kind: .*ours\.book\.jsonl has no accounts yet"):
        study_of_the_exchange(tmp_path, take=None)


def test_a_suspended_account_stays_so(demo: None, tmp_path: Path) -> None:
    Account.objects.filter(user__username="beginner").update(suspended=True)
    _, population = begun(study_of_the_exchange(tmp_path))
    assert population.suspended.tolist() == [True, False, False]


def test_a_position_without_a_tape_is_refused(order: Any, tmp_path: Path) -> None:
    assert order("beginner", "buy", "1", symbol="ETHUSDT") == 200
    candle_file(tmp_path)
    file = tmp_path / "ours.toml"
    file.write_text('population = { kind = "exchange" }\n[tape.files]\nBTCUSDT = "BTCUSDT.csv"\n')
    study = read_study(file, take=take_book)
    with pytest.raises(StudyError, match=r"ours\.book\.jsonl: the exchange holds ETHUSDT; add"):
        begun(study)


@each(
    ("rule", "says"),
    [
        ("tick_size = 0.1", "BTCUSDT at 64321.09 is between ticks of 0.1"),
        ("lot_size = 0.001", "a position of 0.33333 BTCUSDT is no multiple"),
    ],
)
def test_rules_that_are_not_the_exchange_s_are_refused(
    trading: None, tmp_path: Path, rule: str, says: str
) -> None:
    study = study_of_the_exchange(tmp_path, more=f'[[instrument]]\nsymbol = "BTCUSDT"\n{rule}\n')
    with pytest.raises(StudyError, match=says):
        begun(study)


@each("line", ["", "[]", '{"account": 1}', '{"account": "x"', "\x00"])
def test_a_spoilt_file_is_refused_with_its_line(demo: None, tmp_path: Path, line: str) -> None:
    study = study_of_the_exchange(tmp_path)
    book = tmp_path / "ours.book.jsonl"
    lines = book.read_text().splitlines()
    book.write_text("\n".join([lines[0], line, *lines[2:]]))
    with pytest.raises(StudyError, match=r"ours\.book\.jsonl, line 2: no line of a book"):
        begun(study)


def test_nothing_is_left_of_a_file_that_cannot_be_written(demo: None, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="it cannot be written"):
        take_book(tmp_path / "none" / "book.jsonl")
    assert list(tmp_path.iterdir()) == []


def test_accounts_are_read_a_part_at_a_time(
    demo: None, tmp_path: Path, django_assert_max_num_queries: Any, monkeypatch: Any
) -> None:
    """Twelve accounts in parts of five: three looks for positions beside marks and accounts."""
    for number in range(9):
        create_user(username=f"user-{number}")
    monkeypatch.setattr("kpi.lab.inputs.exchange_book.CHUNK", 5)
    assert CHUNK > 5
    with django_assert_max_num_queries(5):
        take_book(tmp_path / "book.jsonl")
    lines = (tmp_path / "book.jsonl").read_text().splitlines()
    assert [json.loads(line)["account"] for line in lines[1:]] == sorted(
        User.objects.filter(account__isnull=False).values_list("account", flat=True)
    )
