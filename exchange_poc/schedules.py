"""When beat sends what is due seldom: at a moment of its own within each interval of the clock."""

from datetime import datetime, timedelta
from typing import Any, Final

from celery.schedules import schedstate, schedule

#: The share of an interval by which a run may be late, else it waits for its next moment; and the
#: seconds that a busy beat is late in any case.
GRACE: Final = 0.25
SHORTEST_GRACE: Final = 10.0


class AtOffset(schedule):
    """Due once in each ``seconds`` since the epoch, ``offset`` seconds after they begin.

    Two of them with the same interval whose offsets are apart by more than GRACE never fall due
    together, whenever beat was started and however long it was away.
    """

    def __init__(self, seconds: float, offset: float, **options: Any) -> None:
        super().__init__(seconds, **options)
        self.offset = offset

    def remaining_estimate(self, last_run_at: datetime) -> timedelta:
        """Return the time from now until the next run after ``last_run_at``."""
        now = self.now().timestamp()
        grace = max(GRACE * self.seconds, SHORTEST_GRACE)
        last = max(self.maybe_make_aware(last_run_at).timestamp(), now - grace)
        due = ((last - self.offset) // self.seconds + 1) * self.seconds + self.offset
        return timedelta(seconds=due - now)

    def is_due(self, last_run_at: datetime) -> schedstate:
        """Return whether it is due, and the seconds until the next look."""
        is_due = self.remaining_estimate(last_run_at) <= timedelta(0)
        left = self.remaining_estimate(self.now() if is_due else last_run_at)
        return schedstate(is_due, left.total_seconds())

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.seconds, self.offset)

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other) and self.offset == getattr(other, "offset", None)

    __hash__ = None  # type: ignore[assignment]
