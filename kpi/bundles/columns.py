"""Columns of a bundle's tables: their kinds, and how PostgreSQL writes them as text.

Amounts have all their places and times are ISO 8601 in UTC with microseconds, so that the same
value is the same text, whoever asks.
"""

from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Final

from django.contrib.postgres.fields import ArrayField
from django.db import models

#: By kind: what PostgreSQL makes of a value, and the type that DuckDB gives the column.
KINDS: Final = {
    "integer": ("({})::text", "BIGINT"),
    "decimal": ("({})::numeric(28, 8)::text", "DECIMAL(28, 8)"),
    "wide_decimal": ("({})::numeric(36, 18)::text", "DECIMAL(36, 18)"),
    "number": ("({})::float8::text", "DOUBLE"),
    "boolean": ("({})::boolean::text", "BOOLEAN"),
    "time": (
        """to_char(({}) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')""",
        "TIMESTAMP",
    ),
    "text": ("({})::text", "VARCHAR"),
    "json": ("to_jsonb({})::text", "VARCHAR"),
}
#: What people or programs wrote: it may look like a formula to a spreadsheet.
WRITTEN_BY_OTHERS: Final = {"text", "json"}


@dataclass(frozen=True, slots=True)
class Column:
    """A column by its name on the outside; ``value`` is SQL over a row called ``one``."""

    name: str
    kind: str
    value: str

    @property
    def as_text(self) -> str:
        return KINDS[self.kind][0].format(self.value)


def columns(text: str) -> Iterator[Column]:
    """Yield a column for each line ``name kind [value]``; the value is the one of its name."""
    for line in filter(None, map(str.strip, text.splitlines())):
        name, kind, *value = line.split(maxsplit=2)
        yield Column(name, kind, value[0] if value else f"one.{name}")


def columns_of(model: type[models.Model], *, omit: Container[str] = ()) -> Iterator[Column]:
    """Yield the columns of a model's table but for some."""
    for field in model._meta.concrete_fields:
        if field.attname not in omit:
            yield Column(field.attname, kind_of(field), f"one.{field.column}")


def kind_of(field: models.Field) -> str:
    """Return the kind of a model's column."""
    if isinstance(field, models.ForeignKey):
        return kind_of(field.target_field)
    for kind, classes in FIELDS.items():
        if isinstance(field, classes):
            return kind
    return "text"


#: A later one may derive from an earlier one nowhere.
FIELDS: Final[dict[str, tuple[type[models.Field], ...]]] = {
    "integer": (models.IntegerField, models.AutoField),
    "decimal": (models.DecimalField,),
    "number": (models.FloatField,),
    "boolean": (models.BooleanField,),
    "time": (models.DateTimeField,),
    "json": (models.JSONField, ArrayField),
}
