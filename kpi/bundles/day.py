"""A day in UTC, and when nothing can be added to it any more."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Self

#: Facts of a day may be committed so long after it: clocks differ, transactions take time.
SETTLING: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Day:
    """From ``start`` on, up to but without ``end``. Raises ValueError where time itself ends."""

    date: date

    def __post_init__(self) -> None:
        if self.date in (date.min, date.max):
            raise ValueError(f"{self.date} has no day before or after it")

    @classmethod
    def of(cls, moment: datetime) -> Self:
        return cls(moment.astimezone(UTC).date())

    @property
    def start(self) -> datetime:
        return datetime.combine(self.date, time(), UTC)

    @property
    def end(self) -> datetime:
        return self.start + timedelta(days=1)

    @property
    def next(self) -> "Day":
        return Day(self.date + timedelta(days=1))

    @property
    def before(self) -> "Day":
        return Day(self.date - timedelta(days=1))

    def has_begun(self, now: datetime) -> bool:
        return self.start <= now

    def is_over(self, now: datetime) -> bool:
        """Tell whether whoever asks later is told the same."""
        return self.end + SETTLING <= now

    def __str__(self) -> str:
        return self.date.isoformat()
