"""A study file is read with all defaults, or refused in one line that says where and what to do."""

import pickle
from dataclasses import fields
from decimal import Decimal
from pathlib import Path

import pytest

from kpi.lab.errors import StudyError
from kpi.lab.inputs.config import cells, read_study, study_of
from risk.policy import PRESETS
from tests.each import each
from tests.kpi.lab.files import candle_file, study_in

CRASH = '[tape]\nkind = "crash"\n'
#: More combinations than anybody has memory for.
MANY = "[grid]\n" + "\n".join(
    f"{key} = {list(range(1, 101))}" for key in ("cadence", "max_leverage", "max_open_orders")
)


def test_a_study_of_nothing_but_candles_has_all_defaults(tmp_path: Path) -> None:
    study = study_in(tmp_path)
    assert [(policy.name, policy.policy, policy.cadence) for policy in study.policies] == [
        ("seed", PRESETS["seed"], 1)
    ]
    assert study.baseline == "seed"
    assert study.seeds == tuple(range(1, 21))
    assert study.fund == 100_000
    assert study.impact.mode == "none"
    assert study.population.kind == "seeded"
    assert [one.symbol for one in study.instruments] == ["BTCUSDT"]
    assert [one.name for one in study.variants] == ["ohlc"]
    assert study.tape.files == (("BTCUSDT", str(tmp_path / "BTCUSDT.csv")),)


def test_everything_can_be_said(tmp_path: Path) -> None:
    candle_file(tmp_path, "SOLUSDT")
    study = study_in(
        tmp_path,
        """
        name = "caps"
        question = "What would lower caps have done?"
        baseline = "two"
        seeds = [3, 1]
        [tape]
        files = { SOLUSDT = "SOLUSDT.csv" }
        path = "close"
        start = 2025-10-10T00:00:00Z
        end = "2025-10-10T00:10:00"
        [population]
        accounts = 10
        wealth_median = { beginner = 1, intermediate = 2, advanced = 3.5 }
        symbols = { SOLUSDT = 2 }
        [impact]
        mode = "absolute"
        y = 0.5
        [fund]
        opening = 0
        [[instrument]]
        symbol = "SOLUSDT"
        tick_size = 0.01
        lot_size = 0.001
        taker_fee_rate = 0.0005
        [[policy]]
        name = "one"
        max_leverage = { beginner = 3 }
        [[policy]]
        name = "two"
        preset = "esma"
        liquidation_threshold = 0.25
        cadence = 12
        [[variant]]
        sub_steps = 5
        [[variant]]
        name = "hourly"
        path = "ohlc"
        aggregate = 12
        """,
    )
    assert (study.name, study.baseline, study.seeds, study.fund) == ("caps", "two", (3, 1), 0)
    assert dict(study.policies[0].policy.max_leverage)["beginner"] == 3
    assert study.policy("two").cadence == 12
    assert study.policy("two").policy.liquidation_threshold == Decimal("0.25")
    assert dict(study.population.wealth_median)["advanced"] == Decimal("3.5")
    assert study.instruments[0].taker_fee_rate == Decimal("0.0005")
    assert [one.name for one in study.variants] == [
        "close",
        "close, 5 points a segment",
        "hourly",
    ]
    assert study.variants[2].path == "ohlc"
    assert len(cells(study)) == 2 * 2 * 3
    assert len({plan.key for plan in cells(study)}) == 2 * 2 * 3


@each(
    ("text", "complaint"),
    [
        ("seed = 1", r"study.toml: seed: unknown; allowed are baseline, fund, grid, "),
        ("[population]\nwealth = 1", r"\[population\] wealth: unknown; allowed are accounts, "),
        ("[[policy]]\n[[policy]]\nname='b'\nlverage = 2", r"\[\[policy\]\] 2 lverage: unknown"),
        ("[tape]\npaths = 1", r"\[tape\] paths: unknown; allowed are aggregate, crash, end, files"),
        ("[tape.files]\nBTCUSDT = 1", r"\[tape.files\] BTCUSDT: the name of a file, not 1"),
        ("[tape]\n", r"\[tape\] files: missing; it is a table such as"),
        ("[tape]\nfiles = { BTCUSDT = 'none.csv' }", r"none.csv: it cannot be read: No such file"),
        ("[tape]\nfiles = { XUSDT = 'BTCUSDT.csv' }", r"instrument: none for XUSDT; add"),
        (f"{CRASH}start = 2025-01-02\nend = 2025-01-01", r"\[tape\] end: it is after start"),
        (f"{CRASH}sub_steps = 0", r"\[tape\] sub_steps: a whole number from 1 to 100, not 0"),
        (f"{CRASH}sub_steps = true", r"sub_steps: a whole number from 1 to 100, not true"),
        (f"{CRASH}start = 'noon'", r"\[tape\] start: a time such as 2025-10-10T00:00:00Z, not 'n"),
        (f"{CRASH}start = 0001-01-01T00:00:00+05:00", r"\[tape\] start: a time such as"),
        ("[tape]\nfiles = { BTCUSDT = 'BTCUSDT.csv' }\ncrash = { bar = 1 }", r"crash\] bar: unk"),
        ('[tape]\nfiles = { BTCUSDT = "\\u0000" }', r"it cannot be read: embedded null byte"),
        (f"{CRASH}crash = {{ fall = 1 }}", r"\[tape.crash\] fall: a number from 0 to 0.9 with"),
        (f"{CRASH}crash = {{ symbols = [] }}", r"\[tape.crash\] symbols: a list of symbols, each"),
        (
            f"{CRASH}[tape.files]\nBTCUSDT = 'b.csv'",
            r'a tape of kind = "crash" has no files',
        ),
        ("[population]\nkind = 'list'", r"\[population\] kind: one of seeded, file.*, not 'list'"),
        ("[population]\nkind = 'file'", r"\[population\] file: missing; it is a CSV file"),
        ("[population]\nfile = 'a.csv'", r"\[population\] file: only a population of kind"),
        ("[population]\nlong_share = 1.5", r"long_share: a number from 0 to 1 with 8 places"),
        ("[population]\nlong_share = nan", r"long_share: a number from 0 to 1 with .*, not NaN"),
        ("[population]\nlong_share = 0.000000001", r"long_share: a number from 0 to 1 with 8 pl"),
        ("[population]\ntiers = 0.5", r"\[population\] tiers: the shares add up to 1"),
        ("[population]\ntiers = { beginner = 1 }", r"tiers: a number from 0 to 1 .*, or a table"),
        ("[population]\nused_span = 1", r"used_span: used_least \+ used_span is 1 at most"),
        ("[population]\nstop_most = 0.1", r"stop_most: it is not below stop_least"),
        ("[population]\nsymbols = { ETHUSDT = 1 }", r"symbols: the tape has no ETHUSDT"),
        ("[population]\nsymbols = { BTCUSDT = 0 }", r"symbols: a table of weights by symbol"),
        ("[impact]\nmode = 'big'", r"\[impact\] mode: one of none, absolute, differential, not"),
        ("[fund]\nopening = -1", r"\[fund\] opening: a number from 0 to 9000000000 .*, not -1"),
        ("fund = 3", r"fund: a table, not 3"),
        ("policy = 3", r"policy: tables, each under \[\[policy\]\], not 3"),
        (
            "[[policy]]\npreset = 'esme'",
            r"\[\[policy\]\] 1 preset: one of seed, esma, none, vol",
        ),
        ("[[policy]]\nname = ''", r"\[\[policy\]\] 1 name: a text of one line that is not empty"),
        ("[[policy]]\nmax_leverage = 0", r"\[\[policy\]\] 1 max_leverage: a whole number from 1"),
        ("[[policy]]\nliquidation_threshold = 6", r"liquidation_threshold: the lab goes up to 5"),
        ("[[policy]]\ncadence = 0", r"\[\[policy\]\] 1 cadence: a whole number from 1 to 100000"),
        ("[[policy]]\n[[policy]]", r"policy: two are called 'seed'; give each a name"),
        ("[[policy]]\nfixed = 1", r"\[\[policy\]\] 1 fixed: true or false, not 1"),
        ("baseline = 'b'\n[[policy]]\nname = 'a'", r"baseline: one of a, not 'b'"),
        ("[grid]\nlever = [1]", r"\[grid\] lever: unknown; allowed are cadence, close_out_share"),
        ("[grid]\ncadence = 1", r"\[grid\] cadence: a list of values, not 1"),
        ("[grid]\ncadence = [0]", r"\[grid\] cadence: a whole number from 1 to 100000, not 0"),
        (
            "[grid]\nliquidation_mode = ['half']",
            r"\[grid\] liquidation_mode: one of full, ",
        ),
        ("[grid]\ncadence = [1]\n[[policy]]\nfixed = true", r"policy: all are fixed, so that"),
        (MANY, r"\[grid\]: more than 1000 combinations; shorten a list"),
        ("[sweep]\nkind = 'lhs'", r"\[sweep\] ranges: missing"),
        ("[sweep]\nranges = { cadence = [3, 1] }", r"\[sweep.ranges\] cadence: \[lowest, highest"),
        ("[sweep]\nranges = { price_collar = [nan, 1] }", r"price_collar: \[lowest, highest"),
        ("[sweep]\nranges = { cadence = [true, 3] }", r"cadence: \[lowest, highest\] of numbers"),
        ("[sweep]\nkind = 'sobol'\nsamples = 3\nranges = { cadence = [1, 3] }", r"a power of two"),
        ("seeds = 3", r"seeds: a list such as \[1, 2, 3\], not 3"),
        ("seeds = [1, 1]", r"seeds: each once"),
        ("seeds = ['a']", r"seeds: a whole number from 0 to 9223372036854775807, not 'a'"),
        ("seeds = { count = 0 }", r"seeds count: a whole number from 1 to 10000, not 0"),
        ("name = 3", r"name: a text, not 3"),
        ("name = ", r"study.toml: it is no TOML: "),
        ("[[instrument]]\ntick_size = 1", r"\[\[instrument\]\] 1 symbol: missing"),
        ("[[instrument]]\nsymbol = 'X'", r"\[\[instrument\]\] 1 tick_size: missing"),
        (
            "[[instrument]]\nsymbol = 'BTCUSDT'\ntick_size = 0.00000001",
            r"lot_size: tick_size ×",
        ),
        ("[[variant]]", r"\[\[variant\]\] 1 name: another variant is called 'ohlc' too"),
    ],
)
def test_what_cannot_be_is_refused_with_table_and_key(
    tmp_path: Path, text: str, complaint: str
) -> None:
    with pytest.raises(StudyError, match=complaint) as refused:
        study_in(tmp_path, text)
    assert refused.value.code == "invalid_study"
    assert "\n" not in str(refused.value)


def test_a_file_that_is_no_text_or_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="cannot be read: No such file"):
        read_study(tmp_path / "none.toml")
    (tmp_path / "study.toml").write_bytes(b"\xff")
    with pytest.raises(StudyError, match="not in UTF-8"):
        read_study(tmp_path / "study.toml")


def test_a_grid_makes_each_combination_of_every_policy_that_is_not_fixed(tmp_path: Path) -> None:
    study = study_in(
        tmp_path,
        """
        [grid]
        liquidation_threshold = [0.25, 0.5]
        liquidation_mode = ["full", "largest_loss_first"]
        [[policy]]
        name = "today"
        fixed = true
        [[policy]]
        name = "caps"
        max_leverage = 2
        """,
    )
    assert [policy.name for policy in study.policies] == [
        "today",
        "caps threshold=0.25 mode=full",
        "caps threshold=0.25 mode=largest_loss_first",
        "caps threshold=0.5 mode=full",
        "caps threshold=0.5 mode=largest_loss_first",
    ]
    last = study.policies[-1].policy
    assert last.liquidation_mode == "largest_loss_first"
    assert set(dict(last.max_leverage).values()) == {2}


def test_the_same_asked_for_in_other_words_is_the_same_study(tmp_path: Path) -> None:
    plain = study_in(tmp_path, "[population]\naccounts = 7\nlong_share = 0.5")
    other = study_in(tmp_path, "[population]\nlong_share = 0.50 # half\naccounts = 0x7\n[fund]")
    assert other.canonical == plain.canonical
    assert other.digest == plain.digest
    assert cells(other) == cells(plain)


def test_the_place_of_a_file_is_no_part_of_a_study_but_its_content_is(tmp_path: Path) -> None:
    first = study_in(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    second = study_in(elsewhere)
    assert second.digest == first.digest
    candle_file(elsewhere, bars=("100,110,90,106", "106,106,80,81"))
    third = study_in(elsewhere)
    assert third.digest != first.digest
    assert cells(third)[0].key != cells(first)[0].key


@each(
    "changes",
    [
        "[fund]\nopening = 1",
        "[impact]\ny = 2",
        "[population]\naccounts = 3",
        "seeds = [2]",
        "[[policy]]\nname='seed'\ncadence = 2",
        "[[policy]]\nname='seed'\nmax_leverage = 3",
        "[tape]\nfiles = { BTCUSDT = 'BTCUSDT.csv' }\npath = 'close'",
        "[tape]\nfiles = { BTCUSDT = 'BTCUSDT.csv' }\nend = 2025-10-10T00:10:00Z",
        "[[instrument]]\nsymbol = 'BTCUSDT'\nmin_notional = 1",
    ],
)
def test_the_key_of_a_cell_tells_all_that_determines_it(tmp_path: Path, changes: str) -> None:
    plain = cells(study_in(tmp_path, "seeds = [1]"))[0].key
    top = "" if "seeds" in changes else "seeds = [1]\n"
    assert cells(study_in(tmp_path, top + changes))[0].key != plain


def test_the_name_of_a_policy_is_no_part_of_its_cells(tmp_path: Path) -> None:
    one = cells(study_in(tmp_path, "[[policy]]\nname = 'a'"))
    other = cells(study_in(tmp_path, "question = 'Why?'\n[[policy]]\nname = 'b'\nmax_leverage = "
                           "{ beginner = 5, intermediate = 10, advanced = 20 }"))  # fmt: skip
    assert [plan.key for plan in one] == [plan.key for plan in other]


def test_the_baseline_matters_to_a_cell_only_where_impact_is_held_against_it(
    tmp_path: Path,
) -> None:
    text = (
        "seeds = [1]\n[impact]\nmode = '{}'\n[[policy]]\nmax_leverage = {}\n[[policy]]\nname = 'b'"
    )

    def last_key(mode: str, highest: int) -> str:
        return cells(study_in(tmp_path, text.format(mode, highest)))[-1].key

    assert last_key("absolute", 2) == last_key("absolute", 3)
    assert last_key("differential", 2) != last_key("differential", 3)


def test_files_of_the_command_line_take_the_place_of_the_studys(tmp_path: Path) -> None:
    study_in(tmp_path, CRASH)
    other = candle_file(tmp_path, "ETHUSDT")
    study = read_study(tmp_path / "study.toml", {"BTCUSDT": other})
    assert study.tape.files == (("BTCUSDT", str(other)),)
    assert study.tape.kind == "files"


def test_a_study_can_be_read_again_from_what_it_keeps(tmp_path: Path) -> None:
    study = study_in(tmp_path, "[[policy]]\n[[variant]]\nname = 'x'")
    again = study_of(study.source, file=study.file, overrides=dict(study.overrides))
    assert again == study == pickle.loads(pickle.dumps(study))  # noqa: S301


def test_each_field_of_a_study_is_part_of_its_text(tmp_path: Path) -> None:
    """Whoever adds a field to the study has its canonical text tell it, or names it here."""
    told = {"name", "question", "tape", "population", "impact", "fund", "instruments", "policies",
            "baseline", "seeds", "variants"}  # fmt: skip
    kept = {"source", "file", "overrides", "canonical", "digest"}
    assert {one.name for one in fields(study_in(tmp_path))} == told | kept


def test_without_scipy_a_sample_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "scipy.stats.qmc", None)
    with pytest.raises(Exception, match=r"scipy_missing: \[sweep\] kind: .* install it"):
        study_in(tmp_path, "[sweep]\nranges = { max_leverage = [2, 20] }")


@pytest.mark.parametrize("kind", ["lhs", "sobol"])
def test_a_sample_is_spread_over_its_ranges(tmp_path: Path, kind: str) -> None:
    pytest.importorskip("scipy.stats.qmc")
    study = study_in(
        tmp_path,
        f"""
        [sweep]
        kind = "{kind}"
        samples = 8
        [sweep.ranges]
        max_leverage = [2, 9]
        liquidation_threshold = [0.2, 1]
        """,
    )
    highest = sorted(dict(one.policy.max_leverage)["beginner"] for one in study.policies)
    assert highest == list(range(2, 10))
    assert all(one.policy.liquidation_threshold >= Decimal("0.2") for one in study.policies)


def test_a_sample_of_few_whole_numbers_has_each_once(tmp_path: Path) -> None:
    pytest.importorskip("scipy.stats.qmc")
    study = study_in(tmp_path, "[sweep]\nsamples = 20\nranges = { cadence = [1, 3] }")
    assert sorted(one.cadence for one in study.policies) == [1, 2, 3]
