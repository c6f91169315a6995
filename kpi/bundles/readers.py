"""Reads the files of a bundle, row by row, and hands the rows to what they are held against."""

import csv
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from kpi.bundles.books_check import BooksCheck, Cells
from kpi.bundles.chain_check import ChainCheck
from kpi.bundles.opening import MANIFEST, Measured, lines_of
from kpi.errors import BundleRefused

#: Names of columns become parts of statements where Parquet is read.
COLUMN: Final = re.compile("[a-z][a-z0-9_]{0,60}")
#: Lines that a row may go over: a text may hold line breaks.
MOST_LINES: Final = 10_000


class Checks:
    """What is asked of the rows, beyond their number."""

    def __init__(self, manifest: Mapping[str, Any], files: Sequence[Mapping[str, Any]]) -> None:
        try:
            self.chain = ChainCheck(manifest["audit"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise BundleRefused(f"{MANIFEST} does not tell of the audit trail: {error}.") from error
        pruned = {one["name"].partition(".")[0] for one in files if one.get("whole") is False}
        self.books = BooksCheck(ticks_are_whole="ticks" not in pruned)

    def differences(self) -> Iterator[str]:
        for table, difference in self.books.differences():
            yield f"{table}: {difference}"
        for difference in self.chain.differences():
            yield f"audit.jsonl: {difference}"


Reader = Callable[[Measured, Mapping[str, Any], Checks, Callable[[str], None]], int]


def read_csv(
    file: Measured, told: Mapping[str, Any], checks: Checks, tell: Callable[[str], None]
) -> int:
    """Return the rows of a table, whose header is that of the manifest."""
    lines = Lines(file)
    rows = csv.reader(lines, strict=True)
    header = header_of(told)
    if next(rows, None) != header:
        tell("its columns are not those that the manifest tells of")
        return 0
    return taken(told["name"], header, lines.rewound(rows), checks, tell)


def header_of(told: Mapping[str, Any]) -> list[str]:
    """Return the columns that a manifest tells of. Raises ValueError."""
    names = [name for name, _ in told["columns"]]
    if not all(isinstance(name, str) and COLUMN.fullmatch(name) for name in names):
        raise ValueError("the manifest tells of columns without a plain name")
    return names


class Lines:
    """Lines for a reader of CSV, which would put a row together of endless many."""

    def __init__(self, file: Measured) -> None:
        self.lines = lines_of(file)
        self.of_row = 0

    def __iter__(self) -> Iterator[str]:
        for line in self.lines:
            self.of_row += 1
            if self.of_row > MOST_LINES:
                raise ValueError(f"a row goes over more than {MOST_LINES:,} lines")
            yield line

    def rewound(self, rows: Iterator[list[str]]) -> Iterator[list[str]]:
        for row in rows:
            self.of_row = 0
            yield row


def taken(
    name: str,
    header: Sequence[str],
    rows: Iterator[Sequence[str]],
    checks: Checks,
    tell: Callable[[str], None],
) -> int:
    """Hand rows to the books, where they are of interest to them, and return how many."""
    take = checks.books.takers.get(name.rpartition(".")[0])
    count = 0
    for count, row in enumerate(rows, start=1):
        if len(row) != len(header):
            raise ValueError(f"row {count} has {len(row)} cells, not {len(header)}")
        if take is not None:
            cells: Cells = dict(zip(header, row, strict=True))
            for difference in take(cells):
                tell(difference)
    return count


def read_trail(
    file: Measured, told: Mapping[str, Any], checks: Checks, tell: Callable[[str], None]
) -> int:
    for line in lines_of(file):
        for difference in checks.chain.differences_of(line):
            tell(difference)
    return checks.chain.runs.records


def read_document(
    file: Measured, told: Mapping[str, Any], checks: Checks, tell: Callable[[str], None]
) -> int:
    """What has no rows is held against its hash alone."""
    return 0


def read_parquet(
    file: Measured, told: Mapping[str, Any], checks: Checks, tell: Callable[[str], None]
) -> int:
    """Return the rows of a Parquet file, read by the policy lab's extra."""
    from kpi.bundles.parquet import rows_of_parquet

    header = header_of(told)
    with tempfile.TemporaryDirectory() as directory:
        target = Path(directory, "rows.parquet")
        with target.open("wb") as copy:
            while part := file.read(1 << 20):
                copy.write(part)
        return taken(told["name"], header, rows_of_parquet(target, header), checks, tell)


READERS: Final[Mapping[str, Reader]] = {
    "csv": read_csv,
    "jsonl": read_trail,
    "json": read_document,
    "parquet": read_parquet,
}
