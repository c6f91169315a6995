"""Cells and comparison as files that lose no digit."""

import csv
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from kpi.lab.answers.compare import compare
from kpi.lab.answers.export import export
from kpi.lab.cells.metrics import METRICS
from tests.kpi.lab.outcomes import Closed, Made
from tests.kpi.lab.studies import study

LARGE = "12345678901234567890.12345678"


@pytest.fixture
def cells() -> dict[tuple[str, int, str], Any]:
    quiet, busy = Made().metrics(), Made(closed=[Closed(bad_debt=7, paid=5)]).metrics()
    return {
        ("seed", 1, "ohlc"): busy | {"shortfall": LARGE},
        ("=esma", 1, "ohlc"): quiet,
        ("=esma", 2, "ohlc"): busy,
    }


@pytest.fixture
def files(cells: Any, tmp_path: Path) -> Path:
    asked = study(policies=("seed", "=esma"), seeds=2, variants=("ohlc",))
    export(cells, compare(asked, cells), tmp_path / "made")
    return tmp_path / "made"


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_csv_has_a_row_a_cell_and_every_metric_as_it_was_taken(cells: Any, files: Path) -> None:
    rows = rows_of(files / "cells.csv")
    assert [(row["policy"], row["seed"]) for row in rows] == [
        ("seed", "1"),
        ("'=esma", "1"),
        ("'=esma", "2"),
    ]
    for row, metrics in zip(rows, cells.values(), strict=True):
        assert {name: row[name] for name in METRICS} == {
            name: "" if value is None else str(value) for name, value in metrics.items()
        }


def test_parquet_holds_decimals_to_the_last_digit(cells: Any, files: Path) -> None:
    found = duckdb.read_parquet(str(files / "cells.parquet"))
    types = dict(zip(found.columns, map(str, found.types), strict=True))
    assert (types["bad_debt"], types["close_outs"]) == ("DECIMAL(28,8)", "BIGINT")
    for row, (place, metrics) in zip(found.fetchall(), cells.items(), strict=True):
        assert row[:3] == place
        read = dict(zip(found.columns, row, strict=True))
        for name, value in metrics.items():
            assert read[name] == (None if value is None else Decimal(value))


def test_comparison_names_policy_baseline_and_certainty(files: Path) -> None:
    rows = {row["metric"]: row for row in rows_of(files / "comparison.csv")}
    shortfall = rows["shortfall"]
    assert (shortfall["policy"], shortfall["baseline"], shortfall["n"]) == ("'=esma", "seed", "1")
    assert shortfall["mean"] == f"-{LARGE}"
    assert (shortfall["baseline_mean"], shortfall["unit"]) == (LARGE, "USDT")


def test_a_study_without_cells_gives_empty_tables(tmp_path: Path) -> None:
    export({}, compare(study(variants=("ohlc",)), {}), tmp_path)
    assert rows_of(tmp_path / "cells.csv") == rows_of(tmp_path / "comparison.csv") == []
    assert duckdb.read_parquet(str(tmp_path / "cells.parquet")).fetchall() == []
