"""Statements that store rows of a model, which travel as JSON whose keys are column names."""

from collections.abc import Sequence
from functools import cache

from django.db.models import Model


@cache
def columns(model: type[Model]) -> list[tuple[str, str]]:
    """Return the columns of a model, each with the attribute that holds it."""
    return [(str(field.column), field.attname) for field in model._meta.concrete_fields]


def insert(
    model: type[Model],
    *,
    rows: str = "rows",
    source: str = "",
    leave_out: Sequence[str] = (),
    **computed: str,
) -> str:
    """Return an INSERT of rows that a parameter holds; ``computed`` gives SQL per column."""
    table = model._meta.db_table
    names = [name for name, _ in columns(model) if name not in leave_out]
    values = ", ".join(computed.get(name, name) for name in names)
    source = source or f"json_populate_recordset(NULL::{table}, %({rows})s::json)"
    return f"INSERT INTO {table} ({', '.join(names)}) SELECT {values} FROM {source}"


def update(model: type[Model], names: Sequence[str]) -> str:
    """Return an UPDATE by primary key of rows of ``model``."""
    table = model._meta.db_table
    assignments = ", ".join(f"{name} = new.{name}" for name in names)
    return (
        f"UPDATE {table} AS old SET {assignments} "
        f"FROM json_populate_recordset(NULL::{table}, %(rows)s::json) AS new "
        f"WHERE old.id = new.id"
    )
