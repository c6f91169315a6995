"""What grows without end and is not kept for good: how long, and what forgets it.

Orders, trades, transfers and audit records are kept for good, and so is whatever is not named here.
docs/deployment.md has the whole list.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from django.conf import settings
from django.db import connection
from django.utils import timezone

from kpi.history.thinning import thin_snapshots
from market.kernel.pruning import Deadline, delete_older
from market.ticks import prune_ticks

log = structlog.get_logger(__name__)

#: Seconds after which a run begins no further portion; the next run goes on there.
LONGEST_RUN: Final = 20.0

#: Merged to a minute after a day, and deleted together.
SNAPSHOTS: Final = ("kpi_kpisnapshot", "kpi_instrumentsnapshot")

#: Deletes what is of before a moment, as far as there is time, and returns how many rows.
Prune = Callable[[datetime, Deadline], int]


NOTE: Final = """
INSERT INTO kpi_forgotten ("table", until) VALUES (%s, %s)
ON CONFLICT ("table") DO UPDATE SET until = greatest(kpi_forgotten.until, excluded.until)
"""


def note(table: str, before: datetime) -> None:
    """Keep in mind that rows of a table which are of before a moment may go."""
    with connection.cursor() as cursor:
        cursor.execute(NOTE, [table, before])


@dataclass(frozen=True, slots=True)
class Retention:
    """Rows of a table are kept for as many days as a setting says; 0 keeps them for good."""

    table: str
    setting: str
    prune: Prune

    @property
    def days(self) -> float:
        days: float = getattr(settings, self.setting)
        return days

    def forget(self, now: datetime, deadline: Deadline) -> int:
        """Delete what is too old by now and return how many rows; first note what may go."""
        before = now - timedelta(days=self.days)
        note(self.table, before)
        return self.prune(before, deadline)


def forget_ticks(*, older_than: timedelta) -> int:
    """Delete ticks older than an age, whatever the setting says, and return how many.

    Bundles tell of it as of what goes by itself: it is noted first.
    """
    before = timezone.now() - older_than
    note("market_pricetick", before)
    return prune_ticks(before=before)


def by_age(table: str, setting: str, moment: str, condition: str = "") -> Retention:
    """Return the retention of a table whose rows have a moment."""

    def prune(before: datetime, deadline: Deadline) -> int:
        return delete_older(
            table=table, moment=moment, before=before, condition=condition, deadline=deadline
        )

    return Retention(table, setting, prune)


RETENTIONS: Final = (
    Retention(
        "market_pricetick",
        "TICK_RETENTION_DAYS",
        lambda before, deadline: prune_ticks(before=before, deadline=deadline),
    ),
    by_age("kpi_heartbeat", "HEARTBEAT_RETENTION_DAYS", "beat_at"),
    by_age("kpi_ledgercheck", "CHECK_RETENTION_DAYS", "checked_at"),
    by_age("kpi_auditcheck", "CHECK_RETENTION_DAYS", "checked_at"),
    by_age(
        "kpi_alertdelivery",
        "DELIVERY_RETENTION_DAYS",
        "next_attempt_at",
        "AND status <> 'pending'",
    ),
)


LARGEST_TABLES: Final = """
SELECT relname, pg_total_relation_size(oid), greatest(reltuples, 0)::bigint
FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
ORDER BY 2 DESC LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class TableSize:
    """A table with its indexes, how many rows PostgreSQL thinks that it has, and their age."""

    table: str
    bytes: int
    rows: int
    kept: str


def largest_tables(*, most: int) -> list[TableSize]:
    """Return the tables that take most of the disk, the largest first."""
    with connection.cursor() as cursor:
        cursor.execute(LARGEST_TABLES, [most])
        return [
            TableSize(table, size, rows, kept_for(table)) for table, size, rows in cursor.fetchall()
        ]


def kept_for(table: str) -> str:
    """Say for how long the rows of a table are kept."""
    days = {one.table: one.days for one in RETENTIONS}
    days |= dict.fromkeys(SNAPSHOTS, settings.KPI_RETENTION_DAYS)
    if table == "kpi_streamevent":
        return f"{settings.STREAM_RETENTION_SECONDS:,} s"
    return f"{days[table]:g} days" if days.get(table) else "for good"


def forget_old() -> dict[str, int]:
    """Forget what is too old, for LONGEST_RUN seconds at most; return how many rows by table."""
    now, deadline = timezone.now(), Deadline(LONGEST_RUN)
    gone = {one.table: one.forget(now, deadline) for one in RETENTIONS if one.days}
    days = settings.KPI_RETENTION_DAYS
    before = now - timedelta(days=days) if days else None
    if before is not None:
        for table in SNAPSHOTS:
            note(table, before)
    gone["kpi_kpisnapshot"] = thin_snapshots(before=before)
    gone["django_session"] = delete_older(
        table="django_session",
        key="session_key",
        moment="expire_date",
        before=now,
        deadline=deadline,
    )
    found = {table: rows for table, rows in gone.items() if rows}
    if found:
        log.info("forgotten", **found)
    return found
