"""A panel of a page: a chart beside the table of its numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Panel:
    """A table of numbers with a sentence, and a chart of them where that says more.

    ``empty`` is said without rows.
    """

    key: str
    title: str
    unit: str
    sentence: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    chart: Mapping[str, Any] | None = None
    empty: str = ""
