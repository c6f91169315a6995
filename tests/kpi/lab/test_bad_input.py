"""What a careless or hostile hand may put into the lab's files: each is refused in one line."""

from pathlib import Path

import pytest

from kpi.lab.errors import LONGEST_LINE, LabError, StudyError
from kpi.lab.inputs.checked import read_inputs
from kpi.lab.inputs.population import make_population
from tests.each import each
from tests.kpi.lab.files import BARS, candle_rows, study_in, write_rows

POPULATION = "account,tier,balance,symbol,side,size,leverage,entered_at"
ENTRY = "beginner,100,BTCUSDT,long,0.1,5,2025-10-10T00:00:00Z"


def refusal(folder: Path, text: str = "") -> str:
    """Return the line with which a study is refused."""
    with pytest.raises(LabError) as refused:
        [*read_inputs(study_in(folder, text))]
    line = refused.value.detail
    assert line.isprintable(), line
    assert len(line) <= LONGEST_LINE
    return line


@pytest.mark.usefixtures("collector_at_rest")
@each(
    ("text", "complaint"),
    [
        (f"seeds = [{'9' * 5000}]", "it is no TOML: Exceeds the limit"),
        (f"seeds = {'[' * 20_000}", "it is no TOML: it is nested too deeply"),
        ("fund = { opening = 1e99999999999999999999 }", "it is no TOML: an exponent is too large"),
        ('name = "a\\u0000b"', "name: a text without control characters"),
        ('name = "a\\nb"', "name: a text without control characters"),
        ('question = "a\\u0000b"', "question: a text without control characters"),
        ('policy = [{ name = "a\\nb" }]', "[[policy]] 1 name: a text of one line"),
        ('variant = [{ name = "a\\u0000b" }]', "[[variant]] 1 name: a text of one line"),
        ('"a\\nb" = 1', r"a\nb: unknown"),
        (f'"{"k" * 5000}" = 1', "unknown; allowed are"),
        (f"population = {{ accounts = {'9' * 4000} }}", "a whole number from 1 to 1000000"),
        (f"seeds = {{ first = {2**63 - 1}, count = 2 }}", f"the last one is {2**63 - 1} at most"),
    ],
)
def test_a_study_that_no_table_holds_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    assert complaint in refusal(tmp_path, text)


def test_a_question_may_have_lines(tmp_path: Path) -> None:
    assert study_in(tmp_path, 'question = """One?\nTwo?"""').question == "One?\nTwo?"


def test_more_symbols_than_are_counted_are_refused(tmp_path: Path) -> None:
    symbols = ", ".join(f'"S{number}"' for number in range(200))
    crash = f'[tape]\nkind = "crash"\n[tape.crash]\nsymbols = [{symbols}]\nbars = 100\n'
    assert "it has 200 symbols; at most 100" in refusal(tmp_path, crash)


@each(
    ("rows", "complaint"),
    [
        (
            ["9999-12-31T23:50:00Z,1,1,1,1,1", "9999-12-31T23:55:00Z,1,1,1,1,1"],
            "line 2: its time is of no year",
        ),
        (
            ["1760054400,1,1,1,1,1", "1760054700,1,1,1,1,1"],  # seconds where milliseconds stand
            "line 2: its time is between two seconds",
        ),
        (
            ["2000-01-01T00:00:00Z,1,1,1,1,1", "2025-01-01T00:00:00Z,1,1,1,1,1"],
            "line 3: 9132 days, 0:00:00 after the row above",
        ),
        ([f"{'1' * 5000},1,1,1,1,1"], "line 2: open_time"),
    ],
)
def test_times_of_no_market_are_refused(tmp_path: Path, rows: list[str], complaint: str) -> None:
    write_rows(tmp_path / "BTCUSDT.csv", rows)
    assert complaint in refusal(tmp_path)


@each(
    ("row", "complaint"),
    [
        (f"a,{ENTRY.replace('100', '1e999999')}", "line 2: balance: USDT from 0"),
        (f"a,{ENTRY.replace('0.1', '1e999999')}", "line 2: size: a positive multiple"),
        (f"a\0b,{ENTRY}", "line 2: account: a name of one line"),
        (f'"a\nb",{ENTRY}', "line 3: account: a name of one line"),
    ],
)
def test_accounts_of_no_exchange_are_refused(tmp_path: Path, row: str, complaint: str) -> None:
    write_rows(tmp_path / "p.csv", [row], header=POPULATION)
    assert complaint in refusal(tmp_path, 'population = { kind = "file", file = "p.csv" }')


def test_who_holds_for_ever_leaves_after_the_tape(tmp_path: Path) -> None:
    write_rows(tmp_path / "BTCUSDT.csv", candle_rows(BARS * 5))
    keys = "accounts = 20000\nholding_median = 100000\nholding_sigma = 5"
    study = study_in(tmp_path, f"[population]\n{keys}")
    (_, tape), *_ = read_inputs(study)
    entries = make_population(study, 1, tape).entries
    assert (entries.exit_time > entries.time).all()


@pytest.mark.parametrize("broken", ['"balance": "0.000000001"', '"tier": "nobody"'])
def test_a_book_that_was_edited_is_refused(tmp_path: Path, broken: str) -> None:
    key = broken.split(":")[0]
    account = {
        '"account"': '"account": 1',
        '"tier"': '"tier": "beginner"',
        '"suspended"': '"suspended": false',
        '"balance"': '"balance": "1"',
        '"reserved_margin"': '"reserved_margin": "0"',
        '"reserved_notional"': '"reserved_notional": "0"',
        '"positions"': '"positions": {}',
    } | {key: broken}
    head = '{"taken_at": "2026-01-01T00:00:00+00:00", "marks": {}}'
    (tmp_path / "b").write_text(f"{head}\n{{{', '.join(account.values())}}}\n")
    with pytest.raises(StudyError, match="b: "):
        [*read_inputs(study_in(tmp_path, 'population = { kind = "exchange", file = "b" }'))]
