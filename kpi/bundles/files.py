"""The tables of a day as files: CSV, or Parquet by the policy lab's extra."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from kpi.bundles.columns import KINDS, WRITTEN_BY_OTHERS
from kpi.bundles.parquet import as_parquet
from kpi.bundles.shapes import CHUNK, Row, Table
from market.kernel.console.exports import harmless

FORMATS: Final = ("csv", "parquet")


def as_csv(table: Table, rows: Iterable[Row], *, clean: Callable[[str], str]) -> Iterator[bytes]:
    """Yield a header and the rows; text that others wrote is cleaned."""
    written = [place for place, one in enumerate(table.columns) if one.kind in WRITTEN_BY_OTHERS]
    buffer = io.StringIO()
    writer = csv.writer(buffer)  # its line ends let it quote either half of one in a cell
    writer.writerow(column.name for column in table.columns)
    for number, row in enumerate(rows, start=1):
        cells = list(row)
        for place in written:
            cells[place] = clean(cells[place] or "")
        writer.writerow(cells)
        if number % CHUNK == 0:
            yield taken(buffer)
    yield taken(buffer)


def taken(buffer: io.StringIO) -> bytes:
    """Return what a buffer holds and empty it."""
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode()


def harmless_csv(table: Table, rows: Iterable[Row]) -> Iterator[bytes]:
    """Yield CSV in which no spreadsheet finds a formula, as in the console's exports."""
    return as_csv(table, rows, clean=harmless)


def typed_parquet(table: Table, rows: Iterable[Row]) -> Iterator[bytes]:
    """Yield a Parquet file whose columns have the table's types, and text as it was written.

    Raises LabNotInstalled.
    """
    types = {column.name: KINDS[column.kind][1] for column in table.columns}
    return as_parquet(as_csv(table, rows, clean=str), types)


WRITERS: Final = {"csv": harmless_csv, "parquet": typed_parquet}
