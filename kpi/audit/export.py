"""Writes audit records as JSON Lines or CSV, line by line; both can be verified elsewhere."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from kpi.audit.chain import canonical
from kpi.audit.selectors import EXPORTED, Values


def as_json_lines(records: Iterable[Values]) -> Iterator[str]:
    """Yield a line of canonical JSON per record."""
    for record in records:
        yield canonical(record) + "\n"


def as_csv(records: Iterable[Values]) -> Iterator[str]:
    """Yield a header and a line per record; ``details`` are canonical JSON, nothing is null.

    No cell can be taken for a formula: each begins with a digit, a letter or a brace.
    """
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, EXPORTED)
    writer.writeheader()
    for record in records:
        writer.writerow({**record, "details": canonical(record["details"])})
        yield taken(buffer)
    yield taken(buffer)


def taken(buffer: io.StringIO) -> str:
    """Return what a buffer holds and empty it."""
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text


#: By what ``export_audit --format`` calls them.
FORMATS: Final[Mapping[str, Callable[[Iterable[Values]], Iterator[str]]]] = {
    "csv": as_csv,
    "jsonl": as_json_lines,
}
