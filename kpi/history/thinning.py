"""Keeps the KPI history small: minutes instead of seconds after a day, nothing after a month.

Merging adds counts up and keeps the last levels, so that no event is lost.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

from django.db import connection, transaction
from django.utils import timezone

from kpi.health.heartbeats import multiple_before
from kpi.models import KpiSnapshot

FINE_FOR: Final = timedelta(hours=24)
KEPT_FOR: Final = timedelta(days=30)
COARSE: Final = timedelta(minutes=1)
#: Most snapshots that one run deletes, and most that it looks at to merge.
CHUNK: Final = 5_000

COUNTS: Final = (
    *("seconds", "requests", "errors", "server_errors", "latency_seconds", "auth_failures"),
    *("rate_limit_hits", "cache_outages", "orders_accepted", "orders_rejected"),
    *("trades", "liquidations"),
)
MERGED: Final = (*COUNTS, "latency_counts", "rejections")


@transaction.atomic
def thin_snapshots() -> int:
    """Merge and delete a bounded number of old snapshots; return how many there are less."""
    now = timezone.now()
    return delete_old(now - KEPT_FOR) + merge_old(now - FINE_FOR)


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
    rows = KpiSnapshot.objects.select_for_update().filter(slot__gte=start, slot__lt=end)
    kept, merged = [], []
    for _, minute in groupby(rows.order_by("slot")[:CHUNK], key=minute_of):
        *earlier, last = minute
        if earlier:
            kept.append(merge(last, earlier))
            merged += [row.slot for row in earlier]
    KpiSnapshot.objects.bulk_update(kept, MERGED, batch_size=500)
    return delete(merged)


FIRST_UNMERGED: Final = """
SELECT min(minute) FROM (
    SELECT date_bin(%s * interval '1 second', slot, 'epoch') AS minute
    FROM kpi_kpisnapshot WHERE slot < %s GROUP BY minute HAVING count(*) > 1
) AS crowded
"""


def first_unmerged(end: datetime) -> datetime | None:
    """Return the first minute before ``end`` with more than one snapshot."""
    with connection.cursor() as cursor:
        cursor.execute(FIRST_UNMERGED, [int(COARSE.total_seconds()), end])
        [[minute]] = cursor.fetchall()
    return minute


def minute_of(snapshot: KpiSnapshot) -> datetime:
    return multiple_before(snapshot.slot, COARSE)


def merge(last: KpiSnapshot, earlier: Sequence[KpiSnapshot]) -> KpiSnapshot:
    """Add the counts of earlier snapshots to those of the last one, and return that."""
    for name in COUNTS:
        setattr(last, name, sum(getattr(row, name) for row in [*earlier, last]))
    histograms = [row.latency_counts for row in [*earlier, last]]
    last.latency_counts = [sum(counts) for counts in zip(*histograms, strict=True)]
    last.rejections = dict(sum((Counter(row.rejections) for row in [*earlier, last]), Counter()))
    return last
