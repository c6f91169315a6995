"""A study of files alone: three longs enter at a bar's open and are closed out at three lows."""

from decimal import Decimal
from pathlib import Path

from kpi.lab.cells.computing import EVENT_COLUMNS, events
from kpi.lab.inputs.config import Study, read_study
from kpi.lab.inputs.population import make_population
from kpi.lab.inputs.tape import read_tape
from tests.kpi.lab.october import BARS, write_study

#: Account, bar and low at which it is closed out; balance before and after.
CLOSED_OUT = [
    ("20x", 186, "118500", "6083.1205", "2920.7105"),
    ("10x", 250, "115145.46", "12166.241", "5649.291"),
    ("5x", 255, "103800", "24332.482", "6470.072"),
]


def october(folder: Path) -> Study:
    return read_study(write_study(folder))


def test_entries_of_a_file_meet_the_open_of_their_bar(tmp_path: Path) -> None:
    study = october(tmp_path)
    tape = read_tape(study, study.variants[0])
    people = make_population(study, 1, tape)
    steps = tape.step_at(people.entries.time)
    assert steps.tolist() == [0, 0, 0]
    assert tape.marks[steps, 0].tolist() == [12166241] * 3


def test_each_is_closed_out_at_the_first_low_below_half_of_its_margin(tmp_path: Path) -> None:
    study = october(tmp_path)
    tape = read_tape(study, study.variants[0])
    rows = [dict(zip(EVENT_COLUMNS, row, strict=True)) for row in events(study, "seed", 1)]
    found = [
        (
            row["account"],
            int(tape.bar[int(row["step"])]),
            row["mark"],
            Decimal(row["balance_before"]),
            Decimal(row["balance_after"]),
        )
        for row in rows
    ]
    assert found == [
        (account, bar, low, Decimal(before), Decimal(after))
        for account, bar, low, before, after in CLOSED_OUT
    ]
    assert all(low == BARS[bar].split(",")[2] for _, bar, low, _, _ in CLOSED_OUT)
    assert [row["time"] for row in rows] == [
        "2025-10-10T15:30:00Z",
        "2025-10-10T20:50:00Z",
        "2025-10-10T21:15:00Z",
    ]


def test_finer_prices_close_them_out_in_the_same_bars_at_less_loss(tmp_path: Path) -> None:
    study = october(tmp_path)
    (tmp_path / "study.toml").write_text(study.source.replace("[tape]", "[tape]\nsub_steps = 5"))
    finer = list(events(read_study(tmp_path / "study.toml"), "seed", 1))
    coarse = list(events(study, "seed", 1))
    time, mark, after = (EVENT_COLUMNS.index(name) for name in ("time", "mark", "balance_after"))
    assert [row[time] for row in finer] == [row[time] for row in coarse]
    assert [row[mark] for row in finer] == ["118500", "115494.53", "109026.55"]
    assert sum(Decimal(row[after]) for row in finer) > sum(Decimal(row[after]) for row in coarse)
