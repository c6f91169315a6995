"""Counts requests and orders in Redis against a rate; what Redis cannot count is let through."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar, cast

import structlog
from django.core.cache import cache
from django.http import HttpRequest
from django_ratelimit.core import get_usage
from redis.exceptions import RedisError

from accounts.counting import CountingCache
from accounts.metrics import cache_outages_total
from accounts.rates import Rate

log = structlog.get_logger(__name__)

Answer = TypeVar("Answer")

#: A single failure may be a busy machine; only so many in a row are an outage.
FAILURES_OF_AN_OUTAGE: Final = 3
#: During an outage Redis is asked by one request in so many seconds, and skipped by the others.
PROBE_INTERVAL_SECONDS: Final = 1.0
#: A count outlives its window by this, since clocks differ between machines.
EXPIRY_MARGIN_SECONDS: Final = 5
SECOND: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Usage:
    """How far a limit is used up; ``reset`` is the epoch second from which all of it is left."""

    scope: str
    limit: int
    count: int
    reset: int
    retry_after: int
    is_exceeded: bool

    @property
    def remaining(self) -> int:
        return max(self.limit - self.count, 0)


class OutageWatch:
    """Remembers, within one process, whether Redis is away, so that an outage costs no time."""

    def __init__(self) -> None:
        self.failures = 0
        self.next_probe = 0.0

    def ask(self, question: Callable[[], Answer]) -> Answer | None:
        """Return what Redis answers; None where it fails, or is away and need not be asked."""
        if not self.allows_asking():
            return None
        try:
            answer = question()
        except (RedisError, OSError) as error:
            self.note_failure(type(error).__name__)
            return None
        self.note_answer()
        return answer

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


watch = OutageWatch()
counts = cast(CountingCache, cache)


def count_request(*, request: HttpRequest, scope: str, key: str, rate: str) -> Usage | None:
    """Count a request of ``key`` and return the usage, or None when Redis did not answer.

    ``rate`` is count/period as django-ratelimit reads it. The window is fixed, its edge depends on
    the key. Redis counts atomically, so that the limit is exact over all processes.
    """
    found = watch.ask(
        lambda: get_usage(request, group=scope, key=lambda *_: key, rate=rate, increment=True)
    )
    if found is None:
        note_uncounted(request)
        return None
    # The window's last second is part of it.
    seconds_left = found["time_left"] + 1
    return Usage(
        scope=scope,
        limit=found["limit"],
        count=found["count"],
        reset=int(time.time()) + seconds_left,
        retry_after=seconds_left,
        is_exceeded=found["count"] > found["limit"],
    )


#: Adds ARGV[1] to a count that may reach ARGV[2] and lives for ARGV[3] seconds; all or nothing.
TAKE: Final = """
local count = tonumber(redis.call('GET', KEYS[1]) or '0')
if count + ARGV[1] > tonumber(ARGV[2]) then return {count, 1} end
redis.call('SET', KEYS[1], count + ARGV[1], 'EX', ARGV[3])
return {count + ARGV[1], 0}
"""


def take(*, request: HttpRequest, scope: str, key: str, rate: str, units: int) -> Usage | None:
    """Count ``units`` of ``key`` at once where all of them fit, else none; return the usage.

    None when Redis did not answer. Redis runs the script as one step, so that units that others
    take meanwhile are counted and units that do not fit stand in nobody's way.
    """
    allowed, now = Rate.read(rate), int(time.time())
    reset = allowed.window_end(key=key, now=now)
    name = f"rl:{scope}:{allowed.count}/{allowed.seconds}s:{key}:{reset}"
    lifetime = reset - now + EXPIRY_MARGIN_SECONDS
    found = watch.ask(lambda: counts.run(TAKE, name, units, allowed.count, lifetime))
    if found is None:
        note_uncounted(request)
        return None
    count, exceeded = found
    return Usage(scope, allowed.count, count, reset, reset - now, is_exceeded=bool(exceeded))


#: Lets ARGV[4] units pass at ARGV[1] where they and those of the ARGV[2] microseconds before are
#: ARGV[3] at most; all or nothing. A list keeps when each that passed did, no more than the limit.
#: A process whose clock is behind counts at the last time that the list knows.
SLIDE: Final = """
local newest = tonumber(redis.call('LINDEX', KEYS[1], -1) or '0')
local now = math.max(tonumber(ARGV[1]), newest)
local start, limit, units = now - tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local oldest = redis.call('LINDEX', KEYS[1], 0)
while oldest and tonumber(oldest) < start do
    redis.call('LPOP', KEYS[1])
    oldest = redis.call('LINDEX', KEYS[1], 0)
end
local count = redis.call('LLEN', KEYS[1])
if count == 0 then newest = start end
local over = count + units - limit
if over > 0 then
    local leaves = redis.call('LINDEX', KEYS[1], math.min(over, count) - 1)
    return {count, 1, newest, tonumber(leaves or start)}
end
for _ = 1, units do redis.call('RPUSH', KEYS[1], string.format('%.0f', now)) end
if units > 0 then
    redis.call('EXPIRE', KEYS[1], ARGV[5])
    newest = now
end
return {count + units, 0, newest, newest}
"""


def slide(*, request: HttpRequest, scope: str, key: str, rate: str, units: int = 1) -> Usage | None:
    """Count ``units`` of ``key`` at once where any span of the rate's length bears them, else none.

    Returns the usage; None when Redis did not answer. What is refused is not counted.
    ``retry_after`` seconds later at the latest so many units pass, if no others do. More than the
    limit never pass: of them it says when nothing is counted any more, where nothing is, a second.
    """
    allowed, now = Rate.read(rate), int(time.time() * SECOND)
    span, lifetime = allowed.seconds * SECOND, allowed.seconds + EXPIRY_MARGIN_SECONDS
    name = f"rl:sliding:{scope}:{allowed.count}/{allowed.seconds}s:{key}"
    found = watch.ask(lambda: counts.run(SLIDE, name, now, span, allowed.count, units, lifetime))
    if found is None:
        note_uncounted(request)
        return None
    count, exceeded, newest, leaves = found
    return Usage(
        scope=scope,
        limit=allowed.count,
        count=count,
        # What passed counts for the whole span, its last microsecond included. A clock that went
        # back may be hours from then, but Redis forgets the list before.
        reset=min((newest + span) // SECOND, now // SECOND + lifetime) + 1,
        retry_after=min((leaves + span - now) // SECOND + 1, lifetime),
        is_exceeded=bool(exceeded),
    )


def note_uncounted(request: HttpRequest) -> None:
    """Count a request that passes a limit for want of Redis, once however many limits it passes."""
    if not getattr(request, "passed_uncounted", False):
        request.passed_uncounted = True  # type: ignore[attr-defined]
        cache_outages_total.inc()


def forget_counts() -> None:
    """Begin all counts of requests and orders anew. Raises RedisError."""
    counts.delete_pattern("rl:*")
