"""A clock that a demo sets: while it is in force, facts of this process bear its time.

It takes the place of ``django.utils.timezone.now``, which libraries that store a history ask too,
and so is for a command that has the process to itself, never for one that serves.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone


@dataclass(slots=True)
class SimulatedClock:
    """What time it is for the services."""

    now: datetime

    def advance(self, by: timedelta) -> None:
        self.now += by


@contextmanager
def simulated_clock(start: datetime) -> Iterator[SimulatedClock]:
    """Let ``timezone.now()`` answer a clock's time from ``start`` on, until the block is left."""
    clock, real_now = SimulatedClock(start), timezone.now
    timezone.now = lambda: clock.now
    try:
        yield clock
    finally:
        timezone.now = real_now
