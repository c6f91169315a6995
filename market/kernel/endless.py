"""How rows of endless tables are found, newest first, at a cost that does not grow with history.

Rows are sorted by their key, which rises with time. An index that ends with the key finds a page
of any account, symbol or status; a moment is found by halving the range of keys.
"""

from datetime import datetime
from typing import Any, Final

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import BigIntegerField, BooleanField, F, Func, QuerySet
from django.db.models.expressions import RawSQL

# Only of tables that the exchange itself writes as things happen: a row whose time is not its own,
# or is a past one, would be left out without a word.
#: How much earlier than a row one of a higher id may be: clocks differ, transactions take time.
DISORDER: Final = "interval '5 minutes'"
# The first id from which on rows are no earlier than a moment, in some thirty looks at the key.
FIRST_ID: Final = """(
    WITH RECURSIVE halved (low, high) AS (
        SELECT min(id), max(id) + 1 FROM {table}
        UNION ALL
        SELECT CASE WHEN is_before THEN halfway.id + 1 ELSE low END,
               CASE WHEN is_before THEN high ELSE (low + high) / 2 END
        FROM halved CROSS JOIN LATERAL (
            SELECT id, {column} < %s::timestamptz {margin} AS is_before
            FROM {table} WHERE id >= (low + high) / 2 ORDER BY id LIMIT 1
        ) AS halfway
        WHERE low < high
    )
    SELECT max(low) FROM halved
)"""


def not_before(rows: QuerySet[Any], time_field: str, since: datetime) -> RawSQL:
    """Return SQL for an id that no row from ``since`` on is below."""
    return first_id(rows, time_field, since, f"- {DISORDER}")


def not_after(rows: QuerySet[Any], time_field: str, until: datetime) -> RawSQL:
    """Return SQL for an id that every row before ``until`` is below."""
    return first_id(rows, time_field, until, f"+ {DISORDER}")


def first_id(rows: QuerySet[Any], time_field: str, moment: datetime, margin: str) -> RawSQL:
    statement = FIRST_ID.format(table=rows.model._meta.db_table, column=time_field, margin=margin)
    return RawSQL(statement, [moment], output_field=BigIntegerField())  # noqa: S611


class IsAnyOf(Func):
    """``key = ANY(ARRAY(…))``: each key is looked up; of IN the planner may make a join."""

    template = "%(expressions)s)"
    arg_joiner = " = ANY("
    output_field = BooleanField()


class KeysFirst:
    """Rows of which a slice is read in one statement: its keys from an index, then the rows.

    Asked for whole rows at once, PostgreSQL may rather go through the table from its newest row
    on, and far, where it expects matches among them that are not there. Of several disjoint sets
    of rows, each with an index of its own, a slice is read as of all of them together.
    """

    def __init__(self, *sets: QuerySet[Any]) -> None:
        self.sets = sets

    def filter(self, *conditions: Any, **named: Any) -> "KeysFirst":
        return KeysFirst(*(rows.filter(*conditions, **named) for rows in self.sets))

    def order_by(self, *names: str) -> "KeysFirst":
        return KeysFirst(*(rows.order_by(*names) for rows in self.sets))

    def __getitem__(self, part: slice) -> QuerySet[Any]:
        rows = self.sets[0].all()
        rows.query.clear_where()  # the keys alone say which
        if len(self.sets) == 1:
            return rows.filter(IsAnyOf(F("pk"), ArraySubquery(self.sets[0].values("pk")[part])))
        each = (ArraySubquery(one.values("pk")[: part.stop]) for one in self.sets)
        return rows.filter(IsAnyOf(F("pk"), Func(*each, function="array_cat")))[part]
