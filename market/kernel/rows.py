"""Rows by statements that are written out: what runs all the time is not compiled anew."""

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import Any, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection, connections
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
    """Return the first row of a statement that selects ``columns``, as the ORM would; or None.

    The statement is one of those of ``first_row``.
    """
    row = first_row(statement, arguments)
    return None if row is None else model.from_db(DEFAULT_DB_ALIAS, columns, row)


def first_row(statement: str, arguments: Sequence[Any]) -> Sequence[Any] | None:
    """Return the first row of one of the few statements that each request runs, or None.

    Each connection keeps a cursor for each of them (``exchange_poc/postgresql``).
    """
    database: Any = connections[DEFAULT_DB_ALIAS]
    row: Sequence[Any] | None = database.first_row(statement, arguments)
    return row


def rows_of(statement: str, asked: Sequence[Any] | Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Return all rows of a statement, which bounds their number itself."""
    with connection.cursor() as cursor:
        cursor.execute(statement, asked)
        return cursor.fetchall()


class Rows(Generic[M]):
    """Reads rows of a model, each with some columns of rows that it points to.

    It does what ``select_related(…).only(…)`` does, in a third of the time: nothing is put together
    anew, and what several rows point to is made once.
    """

    def __init__(self, model: type[M], **related: Sequence[str]) -> None:
        self.model = model
        self.related = related

    def by_id(self, ids: Collection[int]) -> dict[int, M]:
        """Return those with some ids, by id."""
        return {row.pk: row for row in self.where("own.id = ANY(%s::bigint[])", [as_array(ids)])}

    def where(self, condition: str, arguments: Sequence[Any]) -> list[M]:
        """Return those of which a condition in SQL about ``own`` is true, in its order if any."""
        rows = rows_of(f"{self.statement} WHERE {condition}", arguments)
        made: dict[tuple[str, Sequence[Any]], Model] = {}
        return [self._instance_of(row, made) for row in rows]

    @cached_property
    def columns(self) -> list[str]:
        return columns_of(self.model)

    @cached_property
    def statement(self) -> str:
        """What reads them; each foreign key is one of the model's, by its name."""
        own, tables = self.model._meta, [f"{self.model._meta.db_table} AS own"]
        read = [f"own.{column}" for column in self.columns]
        for name, columns in self.related.items():
            other: Any = own.get_field(name).related_model
            table = other._meta.db_table
            tables.append(f"LEFT JOIN {table} AS {name} ON {name}.id = own.{name}_id")
            read += [f"{name}.{column}" for column in columns]
        return f"SELECT {', '.join(read)} FROM {' '.join(tables)}"  # noqa: S608

    def _instance_of(self, row: Sequence[Any], made: dict[tuple[str, Sequence[Any]], Model]) -> M:
        begin = len(self.columns)
        instance = self.model.from_db(connection.alias, self.columns, row[:begin])
        for name, columns in self.related.items():
            field: Any = self.model._meta.get_field(name)
            values = row[begin : (begin := begin + len(columns))]
            if getattr(instance, field.attname) is not None:
                other = made.get((name, values))
                if other is None:
                    other = field.related_model.from_db(connection.alias, columns, values)
                    made[name, values] = other
                field.set_cached_value(instance, other)
        return instance
