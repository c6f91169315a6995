"""Takes the KPI snapshots. One for each slot, however many workers try; no event counts twice."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from kpi.health.heartbeats import multiple_before
from kpi.history.counters import READ, Counters, counts_since, latency_counts
from kpi.history.figures import INSTRUMENT_COLUMNS, Present, Source, read_from
from kpi.history.rows import settled_ids
from kpi.history.sources import read_counters
from kpi.history.totals import counted_further, newest_ids
from kpi.models import InstrumentSnapshot, KpiReading, KpiSnapshot
from kpi.selectors import open_interest

#: A source that nobody read for this long is forgotten.
KEPT_FOR: Final = timedelta(days=1)


def slot_of(moment: datetime) -> datetime:
    """Return the multiple of the snapshot interval since the epoch at or before ``moment``."""
    return multiple_before(moment, timedelta(seconds=settings.KPI_SNAPSHOT_INTERVAL_SECONDS))


def take_snapshot() -> KpiSnapshot | None:
    """Store the KPIs of the present slot; return None when that slot has its snapshot.

    The first one counts nothing. With KPI_SNAPSHOT_INTERVAL_SECONDS=0 there are no slots.
    """
    if not settings.KPI_SNAPSHOT_INTERVAL_SECONDS:
        return None
    now = timezone.now()
    counters, newest = read_counters(), newest_ids()
    with transaction.atomic():
        reading = KpiReading.objects.select_for_update().get(id=1)
        if reading.read_at is not None and slot_of(reading.read_at) >= slot_of(now):
            return None
        until = settled_ids(reading, now=now)
        counts = (
            counts_since(reading, counters, now=now, until=until)
            if reading.read_at
            else {"seconds": 0, "latency_counts": latency_counts({})}
        )
        levels = read_from(Source.PRESENT, Present())
        snapshot = KpiSnapshot.objects.create(slot=slot_of(now), **counts, **levels)
        InstrumentSnapshot.objects.bulk_create(instruments_at(snapshot))
        KpiReading.objects.update(
            read_at=now,
            counters=remembered(reading.counters, counters, now=now),
            row_counts=counted_further(reading.row_counts, newest),
            **until,
        )
    return snapshot


def remembered(
    before: Mapping[str, Counters], counters: Mapping[str, Counters], *, now: datetime
) -> dict[str, Counters]:
    """Return what the next reading starts from: these counters, and of sources not read now the
    last ones."""
    read = {source: {**figures, READ: now.timestamp()} for source, figures in counters.items()}
    oldest = (now - KEPT_FOR).timestamp()
    return {source: c for source, c in {**before, **read}.items() if c[READ] > oldest}


def instruments_at(snapshot: KpiSnapshot) -> list[InstrumentSnapshot]:
    """Return the rows by instrument that belong to a snapshot."""
    return [
        InstrumentSnapshot(
            snapshot=snapshot,
            instrument_id=interest.instrument_id,
            **{figure.name: figure.read(interest) for figure in INSTRUMENT_COLUMNS},
        )
        for interest in open_interest()
    ]
