"""Shapes of a bundle's tables: facts of the day, changes on it, rows as they were at its end."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from django.db import connection
from django.db.models import Model

from kpi.bundles.columns import Column, columns, columns_of
from kpi.bundles.day import Day

#: Rows that are fetched at a time.
CHUNK: Final = 2_000
#: A row of a table that is written in a bundle; no value is the empty text.
Row = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of a bundle: ``why`` says which and what for, ``models`` who may see them."""

    name: str
    why: str
    columns: tuple[Column, ...]
    source: str
    where: str
    order: str
    models: tuple[type[Model], ...]

    @property
    def db_table(self) -> str:
        return self.models[0]._meta.db_table

    @property
    def statement(self) -> str:
        selected = ", ".join(column.as_text for column in self.columns)
        return f"SELECT {selected} FROM {self.source} WHERE {self.where} ORDER BY {self.order}"  # noqa: S608


def of_day(column: str) -> str:
    return f"{column} >= %(start)s AND {column} < %(end)s"


def within_day(first: str, last: str) -> str:
    """What began before the day's end and had not ended before it began."""
    return f"{first} < %(end)s AND ({last} IS NULL OR {last} >= %(start)s)"


def by_then(column: str, moment: str) -> str:
    """A column that was written at a moment, of which the day may not know."""
    return f"CASE WHEN {moment} < %(end)s THEN {column} END"


def facts(
    model: type[Model],
    why: str,
    moment: str,
    *,
    extra: str = "",
    joined: str = "",
    omit: tuple[str, ...] = (),
    name: str = "",
    order: str = "one.id",
    where: str = "",
) -> Table:
    """Return the table of a model whose rows have a moment and never change."""
    table = model._meta.db_table
    return Table(
        name or f"{table.rpartition('_')[2]}s",
        why,
        (*columns_of(model, omit=omit), *columns(extra)),
        f"{table} AS one {joined}",
        f"{of_day(f'one.{moment}')}{where}",
        order,
        (model,),
    )


def changes(model: Any, name: str, why: str) -> Table:
    """Return the history of a model: what its rows were after each change of the day."""
    history = model.history.model
    return Table(
        name,
        why,
        tuple(columns_of(history)),
        f"{history._meta.db_table} AS one",
        of_day("one.history_date"),
        "one.history_id",
        (model,),
    )


def at_the_end(model: Any, name: str, why: str, omit: tuple[str, ...] = ()) -> Table:
    """Return the rows of a model as its history has them at the end of the day."""
    history = model.history.model
    source = f"""(
        SELECT DISTINCT ON (id) * FROM {history._meta.db_table} WHERE history_date < %(end)s
        ORDER BY id, history_date DESC, history_id DESC
    ) AS one"""  # noqa: S608
    own = {field.attname for field in model._meta.concrete_fields}
    found = tuple(column for column in columns_of(history, omit=omit) if column.name in own)
    return Table(name, why, found, source, "one.history_type <> '-'", "one.id", (model,))


def rows_of(table: Table, day: Day) -> Iterator[Row]:
    """Yield the rows of a day, read bit by bit within the caller's transaction."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(table.statement, {"start": day.start, "end": day.end})
        yield from chain.from_iterable(iter(lambda: cursor.fetchmany(CHUNK), []))
