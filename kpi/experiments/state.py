"""What an exchange's database holds at one moment, in figures that can be compared."""

from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Self

from django.db import connection
from psycopg import sql

from kpi.audit.models import AuditHead
from market.kernel.amounts import plain
from market.kernel.snapshot import consistent_read
from market.models import Instrument, MarketClock
from risk.selectors import policy_in_force

#: Rows of a table, and a sum over hashes of them that tells which, in whatever order they stand.
CONTENT: Final = (
    "SELECT count(*), coalesce(sum(hashtextextended(content::text, 0)), 0)::text FROM {} AS content"
)
LEDGER: Final = "accounts_transfer"


@dataclass(frozen=True, slots=True)
class State:
    """The rows and content of every table by name, and what stands for much of it in one line."""

    tables: dict[str, list[Any]]
    ledger_head: str
    audit_head: str
    policy_digest: str
    marks: dict[str, str]
    step: int

    @classmethod
    def read(cls, values: dict[str, Any]) -> Self:
        """Return the state that ``as_json`` wrote. Raises KeyError."""
        return cls(**{field.name: values[field.name] for field in fields(cls)})

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def rows(self, table: str) -> int:
        """Return how many rows a table has; 0 where there is no such table."""
        return int(self.tables.get(table, [0])[0])


def present_state() -> State:
    """Return the state of the connected database, all of one moment; reads every row."""
    with consistent_read():
        tables = {table: content_of(table) for table in table_names()}
        audit = AuditHead.objects.get(id=1)
        count, digest = tables[LEDGER]
        return State(
            tables=tables,
            ledger_head=f"{count}:{digest}",
            audit_head=f"{audit.sequence}:{audit.hash}",
            policy_digest=policy_in_force().digest,
            marks={
                one.symbol: plain(one.mark_price)
                for one in Instrument.objects.order_by("symbol")
                if one.mark_price is not None
            },
            step=MarketClock.objects.get(id=1).steps,
        )


def content_of(table: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(CONTENT).format(sql.Identifier(table)))
        return list(cursor.fetchone())


def table_names() -> list[str]:
    """Return the tables of the connected database, accounts first: orders lock those first."""
    with connection.cursor() as cursor:
        found = sorted(connection.introspection.table_names(cursor))
    return sorted(found, key=lambda table: table != "accounts_account")


def changes(before: State, after: State) -> list[str]:
    """Return a line for each figure in which two states differ, rows of tables at the end."""
    lines = [
        f"{name.replace('_', ' ')} {short(old)} → {short(new)}"
        for name in ("step", "policy_digest", "ledger_head", "audit_head")
        if (old := getattr(before, name)) != (new := getattr(after, name))
    ]
    for symbol in sorted(before.marks.keys() | after.marks.keys()):
        old, new = before.marks.get(symbol, "none"), after.marks.get(symbol, "none")
        if old != new:
            lines.append(f"mark of {symbol} {old} → {new}")
    for table in sorted(before.tables.keys() | after.tables.keys()):
        if before.tables.get(table) != after.tables.get(table):
            lines.append(f"{table} {rows_then_and_now(before.rows(table), after.rows(table))}")
    return lines


def rows_then_and_now(old: int, new: int) -> str:
    return f"{old:,} rows, others" if old == new else f"{old:,} → {new:,} rows"


def short(value: object) -> str:
    """Return the beginning of a digest, or another value as it is."""
    text = str(value)
    return text if len(text) <= 30 else f"{text[:16]}…"
