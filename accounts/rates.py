"""How a rate is written, ``100/m`` or ``5/10s``, and where the windows lie that count for it."""

import re
import zlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

WRITTEN: Final = re.compile(r"(\d+)/([1-9]\d*)?([smhd])")
UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


@dataclass(frozen=True, slots=True)
class Rate:
    """At most ``count`` in each window of ``seconds``."""

    count: int
    seconds: int

    @classmethod
    @lru_cache
    def read(cls, text: str) -> "Rate":
        """Return the rate that ``text`` writes, as django-ratelimit reads it, else ValueError."""
        parts = WRITTEN.fullmatch(text)
        if parts is None:
            raise ValueError(f"{text!r} is no rate")
        count, times, unit = parts.groups()
        return cls(int(count), int(times or 1) * UNITS[unit])

    def is_above(self, other: "Rate") -> bool:
        """Tell whether this rate allows more in the long run, whatever their units."""
        return self.count * other.seconds > other.count * self.seconds

    def window_end(self, *, key: str, now: int) -> int:
        """Return the epoch second at which the window of ``now`` ends.

        Windows are fixed; their edges depend on the key, so that not all end at once. They are
        those of django-ratelimit.
        """
        edge = zlib.crc32(key.encode()) % self.seconds
        return now + self.seconds - (now - edge - 1) % self.seconds
