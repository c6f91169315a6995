"""Counts requests in Redis against a rate; a request that Redis cannot count is let through."""

import time
from dataclasses import dataclass
from typing import Final

import structlog
from django.http import HttpRequest
from django_ratelimit.core import get_usage
from redis.exceptions import RedisError

from accounts.metrics import cache_outages_total

log = structlog.get_logger(__name__)

#: A single failure may be a busy machine; only so many in a row are an outage.
FAILURES_OF_AN_OUTAGE: Final = 3
#: During an outage Redis is asked by one request in so many seconds, and skipped by the others.
PROBE_INTERVAL_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Usage:
    """How far a limit is used up; ``reset`` is the epoch second at which its window ends."""

    scope: str
    limit: int
    count: int
    reset: int
    retry_after: int

    @property
    def is_exceeded(self) -> bool:
        return self.count > self.limit

    @property
    def remaining(self) -> int:
        return max(self.limit - self.count, 0)


class OutageGuard:
    """Remembers, within one process, whether Redis is away, so that an outage costs no time."""

    def __init__(self) -> None:
        self.failures = 0
        self.next_probe = 0.0

    def allows_asking(self) -> bool:
        """Tell whether to ask Redis; during an outage claim the next probe for the caller."""
        if self.failures < FAILURES_OF_AN_OUTAGE:
            return True
        now = time.monotonic()
        if now < self.next_probe:
            return False
        self.next_probe = now + PROBE_INTERVAL_SECONDS
        return True

    def note_answer(self) -> None:
        if self.failures >= FAILURES_OF_AN_OUTAGE:
            log.info("cache_back")
        self.failures = 0

    def note_failure(self, reason: str) -> None:
        self.failures += 1
        if self.failures == FAILURES_OF_AN_OUTAGE:
            self.next_probe = time.monotonic() + PROBE_INTERVAL_SECONDS
            log.warning("cache_away", reason=reason, effect="requests pass uncounted")


guard = OutageGuard()


def count_request(*, request: HttpRequest, scope: str, key: str, rate: str) -> Usage | None:
    """Count a request of ``key`` and return the usage, or None when Redis did not answer.

    ``rate`` is count/period as django-ratelimit reads it. The window is fixed, its edge depends on
    the key. Redis counts atomically, so that the limit is exact over all processes.
    """
    found = ask_redis(request, scope, key, rate) if guard.allows_asking() else None
    if found is None:
        cache_outages_total.inc()
        return None
    # The window's last second is part of it.
    seconds_left = found["time_left"] + 1
    return Usage(
        scope=scope,
        limit=found["limit"],
        count=found["count"],
        reset=int(time.time()) + seconds_left,
        retry_after=seconds_left,
    )


def ask_redis(request: HttpRequest, scope: str, key: str, rate: str) -> dict[str, int] | None:
    """Return django-ratelimit's usage, or None on a failure, and tell the guard."""
    try:
        found = get_usage(request, group=scope, key=lambda *_: key, rate=rate, increment=True)
    except (RedisError, OSError) as error:
        guard.note_failure(type(error).__name__)
        return None
    guard.note_answer()
    return found
