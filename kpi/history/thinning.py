"""Keeps the KPI history small: minutes instead of seconds after a day, nothing once it is too old.

Merging gives each figure the value that charts show for the minute, so that no event is lost.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from django.db import connection, transaction
from django.utils import timezone

from kpi.health.heartbeats import multiple_before
from kpi.history.figures import COLUMNS
from kpi.models import KpiSnapshot

FINE_FOR: Final = timedelta(hours=24)
COARSE: Final = timedelta(minutes=1)
#: Most snapshots that one run deletes, and most that it looks at to merge.
CHUNK: Final = 5_000

MERGE: Final = """
WITH old AS (
    SELECT *, date_bin(%(coarse)s * interval '1 second', slot, 'epoch') AS minute
    FROM kpi_kpisnapshot
    WHERE slot >= %(start)s AND slot < %(end)s ORDER BY slot LIMIT %(most)s FOR UPDATE
), merged AS (
    SELECT array_agg(slot ORDER BY slot) AS slots, {values}
    FROM old GROUP BY minute HAVING count(*) > 1
)
UPDATE kpi_kpisnapshot AS kept SET {columns}
FROM merged WHERE kept.slot = merged.slots[array_upper(merged.slots, 1)]
RETURNING merged.slots
"""
VALUES: Final = ", ".join(f"{figure.merged} AS {figure.name}" for figure in COLUMNS)
SET_COLUMNS: Final = ", ".join(f"{figure.name} = merged.{figure.name}" for figure in COLUMNS)


@transaction.atomic
def thin_snapshots(*, before: datetime | None = None) -> int:
    """Merge a bounded number of old snapshots, delete as many that are of before a moment.

    Returns how many there are less.
    """
    deleted = 0 if before is None else delete_old(before)
    return deleted + merge_old(timezone.now() - FINE_FOR)


def delete_old(before: datetime) -> int:
    oldest = KpiSnapshot.objects.filter(slot__lt=before).order_by("slot")
    return delete(list(oldest.values_list("slot", flat=True)[:CHUNK]))


def delete(slots: Sequence[datetime]) -> int:
    KpiSnapshot.objects.filter(slot__in=slots).delete()
    return len(slots)


def merge_old(before: datetime) -> int:
    """Merge the snapshots of each whole minute before a moment into the last one of the minute."""
    end = multiple_before(before, COARSE)
    start = first_unmerged(end)
    if start is None:
        return 0
    merge = MERGE.format(values=VALUES, columns=SET_COLUMNS)
    coarse = COARSE.total_seconds()
    with connection.cursor() as cursor:
        cursor.execute(merge, {"coarse": coarse, "start": start, "end": end, "most": CHUNK})
        return delete([slot for [slots] in cursor.fetchall() for slot in slots[:-1]])


FIRST_UNMERGED: Final = """
SELECT min(minute) FROM (
    SELECT date_bin(%s * interval '1 second', slot, 'epoch') AS minute
    FROM kpi_kpisnapshot WHERE slot < %s GROUP BY minute HAVING count(*) > 1
) AS crowded
"""


def first_unmerged(end: datetime) -> datetime | None:
    """Return the first minute before ``end`` with more than one snapshot."""
    with connection.cursor() as cursor:
        cursor.execute(FIRST_UNMERGED, [COARSE.total_seconds(), end])
        [[minute]] = cursor.fetchall()
    return minute
