"""How rows of endless tables are found, newest first, at a cost that does not grow with history.

Rows are sorted by their key, which rises with time. An index that ends with the key finds a page
of any account, symbol or status; a moment is found by halving the range of keys.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import reduce
from typing import Any, Final

from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.fields import ArrayField
from django.db.models import BigIntegerField, BooleanField, F, Func, QuerySet
from django.db.models.expressions import Col, RawSQL
from django.db.models.fields.related_lookups import RelatedIn
from django.db.models.sql.where import WhereNode

from market.kernel.rows import Rows

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


# Each owner's rows are read along their own index: of all of them together the planner may go
# through the table from its newest row on, and none of these may be theirs.
EACH_OWNERS: Final = """ARRAY(
    SELECT one.key FROM unnest(%s::bigint[]) AS owner (key)
    CROSS JOIN LATERAL ({}) AS one (key)
)"""
KEYS: Final = ArrayField(BigIntegerField())


class IsAnyOf(Func):
    """``key = ANY(ARRAY(…))``: each key is looked up; of IN the planner may make a join."""

    template = "%(expressions)s)"
    arg_joiner = " = ANY("
    output_field = BooleanField()


class KeysFirst:
    """Rows of which a slice is read in one statement: its keys from an index, then the rows.

    Asked for whole rows at once, PostgreSQL may rather go through the table from its newest row
    on, and far, where it expects matches among them that are not there. Of several disjoint sets
    of rows, each with an index of its own, a slice is read as of all of them together, and so it is
    of rows that belong to one of several others, such as orders of some accounts, and of rows that
    one of several conditions is true of, such as transfers that some accounts paid or received.
    Those of a single set are read by ``rows``, where these are given, in less time than by the ORM.
    """

    def __init__(self, *sets: QuerySet[Any], rows: Rows[Any] | None = None) -> None:
        self.sets, self.rows = sets, rows

    def filter(self, *conditions: Any, **named: Any) -> "KeysFirst":
        found = (rows.filter(*conditions, **named) for rows in self.sets)
        return KeysFirst(*found, rows=self.rows)

    def order_by(self, *names: str) -> "KeysFirst":
        return KeysFirst(*(rows.order_by(*names) for rows in self.sets), rows=self.rows)

    def __getitem__(self, part: slice) -> Sequence[Any] | QuerySet[Any]:
        rows = self.sets[0].all()
        rows.query.clear_where()  # the keys alone say which
        sets = [apart for one in self.sets for apart in alternatives(one)]
        if len(sets) == 1 and owners_of(sets[0]) is None:
            if self.rows is not None:
                return self.rows.where(*keyed(sets[0], part))
            return rows.filter(IsAnyOf(F("pk"), ArraySubquery(sets[0].values("pk")[part])))
        keys = reduce(joined, (first_keys(one, part.stop) for one in sets))
        return rows.filter(IsAnyOf(F("pk"), keys))[part]


def keyed(rows: QuerySet[Any], part: slice) -> tuple[str, Sequence[Any]]:
    """Return the condition that tells the rows of a slice by key, in their order, for ``Rows``."""
    keys, arguments = rows.values("pk")[part].query.sql_with_params()
    way = "DESC" if str(rows.query.order_by[0]).startswith("-") else "ASC"
    return f"own.id = ANY(ARRAY({keys})) ORDER BY own.id {way}", arguments


def joined(first: Any, second: Any) -> Func:
    return Func(first, second, function="array_cat")


def alternatives(rows: QuerySet[Any]) -> list[QuerySet[Any]]:
    """Return rows by each of the conditions of which one is to be true, where there are several.

    Of several owners at least; a row may be in more than one of these sets.
    """
    where = rows.query.where
    for choice in where.children if where.connector == "AND" and not where.negated else ():
        if isinstance(choice, WhereNode) and choice.connector == "OR" and not choice.negated:
            apart = [instead_of(rows, choice, one) for one in choice.children]
            if any(owners_of(one) for one in apart):
                return apart
    return [rows]


def instead_of(rows: QuerySet[Any], condition: Any, *others: Any) -> QuerySet[Any]:
    """Return rows with other conditions, or none, in place of one that they are filtered by."""
    found, conditions = rows.all(), rows.query.where.children
    kept = [one for one in conditions if one is not condition]
    found.query.where = WhereNode([*kept, *others])
    return found


def first_keys(rows: QuerySet[Any], most: int | None) -> Any:
    """Return SQL for the keys of the first rows; of rows of several owners, of each of these."""
    found = owners_of(rows)
    if found is None:
        return ArraySubquery(rows.values("pk")[:most])
    condition, name = found
    owner = RawSQL("owner.key", [], output_field=BigIntegerField())
    keys = instead_of(rows, condition).filter(**{name: owner}).values("pk")[:most]
    statement, parameters = keys.query.sql_with_params()
    owners = [list(condition.rhs), *parameters]
    return RawSQL(EACH_OWNERS.format(statement), owners, output_field=KEYS)  # noqa: S611


def owners_of(rows: QuerySet[Any]) -> tuple[RelatedIn, str] | None:
    """Return the condition, if there is one, that rows belong to one of several, and its column."""
    where, table = rows.query.where, rows.query.get_initial_alias()
    for condition in where.children if where.connector == "AND" and not where.negated else ():
        if isinstance(condition, RelatedIn) and isinstance(condition.rhs, list):
            column = condition.lhs
            if isinstance(column, Col) and column.alias == table:
                return condition, column.target.attname
    return None
