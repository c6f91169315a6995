"""The cells of a study as columns, the same in the API's CSV and in a notebook."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from kpi.lab.cells.metrics import METRICS
from kpi.lab.models import LabStudyCell
from market.kernel.console.exports import harmless

#: What a cell is, before what it says.
FACTS: Final = ("policy", "seed", "variant", "state", "key", "digest", "cpu_seconds", "error")
COLUMNS: Final = (*FACTS, *METRICS)


def cell_row(place: LabStudyCell) -> dict[str, Any]:
    """Return a cell by column; a metric that it does not have is None."""
    cell = place.cell
    own = {"policy": place.policy, "seed": place.seed, "variant": place.variant}
    facts = {name: getattr(cell, name) for name in FACTS if name not in own}
    metrics: Mapping[str, Any] = cell.metrics or {}
    return {**own, **facts, **{name: metrics.get(name) for name in METRICS}}


def as_csv(places: Iterable[LabStudyCell]) -> Iterator[str]:
    """Yield a header and a line per cell; no cell of the table is a formula to a spreadsheet."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    for place in places:
        row = cell_row(place)
        row |= {name: harmless(row[name]) for name in ("policy", "variant", "error")}
        writer.writerow("" if value is None else value for value in row.values())
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()
