"""A row by a statement that is written out: what runs on every request is not compiled anew."""

from collections.abc import Collection, Sequence
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Model

M = TypeVar("M", bound=Model)


def columns_of(model: type[Model]) -> list[str]:
    """Return the columns of a model in the order in which a row is read."""
    return [field.attname for field in model._meta.concrete_fields]


def as_array(ids: Collection[int]) -> str:
    """Return ids as PostgreSQL writes an array, which psycopg needs longer for than for a text."""
    return f"{{{','.join(map(str, ids))}}}"


def find(
    model: type[M], columns: Sequence[str], statement: str, arguments: Sequence[Any]
) -> M | None:
    """Return the first row of a statement that selects ``columns``, as the ORM would; or None."""
    with connection.cursor() as cursor:
        cursor.execute(statement, arguments)
        row = cursor.fetchone()
    return None if row is None else model.from_db(connection.alias, columns, row)
