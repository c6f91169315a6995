"""Request weight per minute, with a ban for who goes on, as the documentation describes it.

Intervals begin with the first request instead of the full minute, so that no test meets the turn
of one.
"""

import math

from tests.system.binance_standin.errors import ApiError

MINUTE = 60
#: Requests refused with 429 before the address is banned.
PATIENCE = 3
BAN = 120


class WeightLimit:
    """Times are seconds."""

    def __init__(self) -> None:
        self.limit = 6000
        self.used = self.refused = 0
        self.window_start = self.banned_until = 0.0

    def spend(self, weight: int, now: float) -> None:
        """Count a request or refuse it."""
        if now < self.banned_until:
            raise self.ban(now)
        if now - self.window_start >= MINUTE:
            self.window_start, self.used, self.refused = now, 0, 0
        self.used += weight
        if self.used <= self.limit:
            return
        self.refused += 1
        if self.refused > PATIENCE:
            self.banned_until = now + BAN
            raise self.ban(now)
        raise ApiError(
            -1003,
            f"Too much request weight used; current limit is {self.limit} request weight per "
            "1 MINUTE. Please use WebSocket Streams for live updates to avoid polling the API.",
            status=429,
            headers={"Retry-After": str(math.ceil(self.window_start + MINUTE - now))},
        )

    def ban(self, now: float) -> ApiError:
        return ApiError(
            -1003,
            f"Way too much request weight used; IP banned until {int(self.banned_until * 1000)}. "
            "Please use WebSocket Streams for live updates to avoid bans.",
            status=418,
            headers={"Retry-After": str(math.ceil(self.banned_until - now))},
        )
