"""A study's cells and comparison as files: CSV, and Parquet with exact decimals."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from kpi.lab.answers.compare import Comparison, Metrics
from kpi.lab.cells.metrics import METRICS
from kpi.lab.errors import LabError
from kpi.lab.extra import needs_the_extra
from market.kernel.console.exports import harmless

PLACE: Final = ("policy", "seed", "variant")
MEASURES: Final = ("n", "mean", "median", "low", "high", "p", "p_holm", "variance_ratio")
DIFFERENCES: Final = (
    "metric", "unit", "better", "variant", "policy", "baseline",
    "policy_mean", "baseline_mean", *MEASURES,
)  # fmt: skip

#: The columns of a cell, as SQL declares them.
TYPES: Final = {"policy": "VARCHAR", "seed": "BIGINT", "variant": "VARCHAR"} | {
    metric.name: "BIGINT" if metric.unit in ("count", "UTC") else "DECIMAL(28, 8)"
    for metric in METRICS.values()
}
#: Makes a table of columns that are lists of text.
CELLS: Final = "SELECT " + ", ".join(
    f"unnest(?::VARCHAR[])::{kind} AS {name}" for name, kind in TYPES.items()
)

Results = Mapping[tuple[str, int, str], Metrics]


def export(results: Results, comparison: Comparison, out: Path) -> list[Path]:
    """Write cells.csv, comparison.csv and cells.parquet into a directory; return their paths.

    Raises LabNotInstalled before anything is written, and LabError or OSError on a full disk.
    """
    with needs_the_extra():
        import duckdb
    out.mkdir(parents=True, exist_ok=True)
    cells, differences, parquet = (
        out / name for name in ("cells.csv", "comparison.csv", "cells.parquet")
    )
    _write(cells, (*PLACE, *METRICS), _cells(results))
    _write(differences, DIFFERENCES, _differences(comparison))
    columns = [list(map(_text, column)) for column in zip(*_cells(results), strict=True)]
    try:
        with duckdb.connect() as database:
            table = database.sql(CELLS, params=columns or [[]] * len(TYPES))
            table.write_parquet(str(parquet))
    except duckdb.IOException as error:
        why = str(error).splitlines()[0]
        raise LabError(f"{parquet} cannot be written: {why}") from error
    return [cells, differences, parquet]


def _cells(results: Results) -> Iterable[Sequence[Any]]:
    for place, metrics in results.items():
        yield *place, *(metrics.get(name) for name in METRICS)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _differences(comparison: Comparison) -> Iterable[Sequence[Any]]:
    """Yield a row for each metric, variant and policy but the baseline."""
    baseline = comparison["baseline"]
    means = {(one["metric"], one["variant"], one["policy"]): one for one in comparison["levels"]}
    for one in comparison["differences"]:
        place: dict[str, Any] = {**one}
        metric, variant = METRICS[one["metric"]], one["variant"]
        levels = (means[metric.name, variant, policy] for policy in (one["policy"], baseline))
        yield (
            metric.name,
            metric.difference_unit,
            metric.better,
            variant,
            one["policy"],
            baseline,
            *(level["mean"] for level in levels),
            *(place[name] for name in MEASURES),
        )


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV file, in which no name is a formula to a spreadsheet."""
    names = {header.index(name) for name in ("policy", "baseline", "variant") if name in header}
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for row in rows:
            writer.writerow(
                harmless(value) if place in names else value for place, value in enumerate(row)
            )
