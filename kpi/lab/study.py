"""The door for notebooks: a study by its file or name, run, and its cells as columns.

It starts Django by itself where nobody did. A notebook runs an event loop, in which Django would
refuse its database; nothing else runs in that loop, so it is allowed here.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import django
from django.apps import apps

if not apps.ready:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "exchange_poc.settings")
    os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    django.setup()

from kpi.lab import runs
from kpi.lab.asked import asked_study
from kpi.lab.columns import cell_row
from kpi.lab.extra import needs_the_extra
from kpi.lab.inputs.config import cells
from kpi.lab.models import LabStudy
from kpi.lab.selectors import answer_of, places_of, progress_of
from kpi.lab.services import requeue_cells, store_study

Table = Literal["cells", "differences", "levels"]
#: What of a cell is text; all else are numbers, NaN for none.
TEXTS = {"policy", "variant", "state", "key", "digest", "error", "metric"}


class Study:
    """A study: ``Study("caps.toml", BTCUSDT="btc.csv")``, or a stored one by name or digest.

    Raises StudyError or NotFound.
    """

    def __init__(self, named: str | Path, **tapes: str | Path) -> None:
        self.asked = asked_study(str(named), [f"{symbol}={file}" for symbol, file in tapes.items()])
        self.stored = store_study(study=self.asked, plans=cells(self.asked))

    def __repr__(self) -> str:
        progress = progress_of(self.stored)
        return f"<Study {self.stored}: {progress.done} of {progress.total} cells done>"

    def run(self, *, processes: int = 2) -> "Study":
        """Compute what nobody has computed yet, then the answer. Raises LabError."""
        runs.inputs_of(self.asked)
        requeue_cells(study=self.stored, failed=True)
        runs.compute_missing(
            self.stored, self.asked, processes=processes, tell=lambda cell, error: None
        )
        runs.conclude(self.stored, self.asked)
        self.stored = LabStudy.objects.get(pk=self.stored.pk)
        return self

    @property
    def answer(self) -> str | None:
        """The comparison in one sentence; None before there is one."""
        return answer_of(self.stored)

    @property
    def comparison(self) -> Mapping[str, Any] | None:
        """Levels, paired differences, ranges and tails, with exact decimals as text."""
        return self.stored.comparison

    def frame(self, table: Table = "cells") -> Any:
        """Return a table as a pandas DataFrame, or without pandas as NumPy columns by name.

        ``cells`` has a row for each cell, ``differences`` and ``levels`` one for each metric,
        policy and variant. Figures are floats here, for plots; exact ones are in ``comparison``,
        in the export and the API. Raises LabNotInstalled.
        """
        return framed(self.rows(table))

    def rows(self, table: Table) -> list[Mapping[str, Any]]:
        if table == "cells":
            return [cell_row(place) for place in places_of(self.stored)]
        return list((self.stored.comparison or {}).get(table, []))


def framed(rows: list[Mapping[str, Any]]) -> Any:
    """Return rows as columns."""
    with needs_the_extra():
        import numpy as np

    def column(name: str) -> Any:
        values = [row[name] for row in rows]
        if name in TEXTS:
            return np.array(values, dtype=str)
        return np.array([np.nan if value is None else float(value) for value in values])

    columns = {name: column(name) for name in rows[0]} if rows else {}
    try:
        import pandas  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        return columns
    return pandas.DataFrame(columns)
