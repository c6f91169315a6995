"""Reads of the heartbeats: is the worker alive, and how much of the time was it."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

from django.conf import settings
from django.utils import timezone

from kpi.models import Heartbeat

UPTIME_WINDOW: Final = timedelta(hours=24)
#: So many beats may be late before the worker counts as away.
BEATS_OF_PATIENCE: Final = 3


def beat_interval() -> timedelta:
    """Return the time in which one beat is due; the worker tries twice."""
    return timedelta(seconds=2 * settings.HEARTBEAT_INTERVAL_SECONDS)


def multiple_before(moment: datetime, interval: timedelta) -> datetime:
    """Return the multiple of an interval since the epoch at or before ``moment``."""
    epoch = datetime.fromtimestamp(0, tz=UTC)
    return epoch + (moment - epoch) // interval * interval


def slot_of(moment: datetime) -> datetime:
    """Return the multiple of the beat interval since the epoch at or before ``moment``."""
    return multiple_before(moment, beat_interval())


def heartbeat_age() -> timedelta | None:
    """Return the time since the last beat; None before the first one."""
    last = Heartbeat.objects.order_by("-beat_at").values_list("beat_at", flat=True).first()
    return None if last is None else timezone.now() - last


def longest_gap(window: timedelta) -> float | None:
    """Return the most seconds between two beats of a window, or since the last one; None before.

    After an outage the gap stays in sight until the window has passed over it.
    """
    now = timezone.now()
    beats = Heartbeat.objects.order_by("beat_at").values_list("beat_at", flat=True)
    before = beats.filter(beat_at__lt=now - window).last()
    moments = [*([before] if before else []), *beats.filter(beat_at__gte=now - window), now]
    gaps = [(late - early).total_seconds() for early, late in pairwise(moments)]
    return max(gaps, default=None)


def lived_since(moment: datetime | None, *, most: timedelta) -> timedelta:
    """Return for how long a worker beat after a moment, or ever; about ``most`` is counted."""
    beats = Heartbeat.objects.order_by()
    later = beats if moment is None else beats.filter(beat_at__gt=moment)
    return later[: most // beat_interval() + 1].count() * beat_interval()


def is_worker_alive() -> bool:
    """Tell whether a worker beat lately."""
    age = heartbeat_age()
    return age is not None and age < BEATS_OF_PATIENCE * beat_interval()


def uptime() -> float:
    """Return the share (0 to 1) of the beats due in the last 24 hours that were written.

    Counting starts at the first beat ever; a beat is due when its interval is over. Without any
    beat the answer is 0.
    """
    first = Heartbeat.objects.order_by("beat_at").values_list("beat_at", flat=True).first()
    if first is None:
        return 0.0
    end = slot_of(timezone.now())
    start = max(first, end - UPTIME_WINDOW)
    due = (end - start) // beat_interval()
    if due <= 0:
        return 1.0
    written = Heartbeat.objects.filter(beat_at__gte=start, beat_at__lt=end).count()
    return min(written / due, 1.0)
