"""Counts requests and orders in Redis against a rate; what Redis cannot count is let through."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Final, NamedTuple, TypeVar, cast

import structlog
from django.core.cache import cache
from django.http import HttpRequest
from django_ratelimit.core import get_usage
from redis.exceptions import RedisError

from accounts.counting import Ask, CountingCache, Told
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


class Allowance(NamedTuple):
    """How many of a ``scope`` pass, as ``Rate`` reads it.

    Those of a scope that hold beside each other are told apart in Redis by their ``variant``.
    """

    scope: str
    rate: str
    variant: str = ""

    @property
    def name(self) -> str:
        return self.scope + self.variant


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


def count_request(
    *,
    request: HttpRequest,
    scope: str,
    key: str,
    rate: str,
    weight: int = 1,
    slides: bool = False,
    beside: Sequence[Allowance] = (),
    units: int = 0,
) -> tuple[Usage, list[Usage]] | None:
    """Count a request of ``key`` as ``weight``, and if it fits, ``units`` of what is ``beside`` it.

    Returns the usage of either, of what is beside it of none where the request does not fit; None
    when Redis did not answer. Redis counts all of it as one step, so that limits are exact over all
    processes. A window is fixed, its edge depends on the key, or it slides. What is refused is not
    counted.
    """
    now = int(time.time() * SECOND)
    others = [ask_of(one, key=key, units=units, slides=slides, now=now) for one in beside]
    allowance = Allowance(scope, rate)
    first = ask_of(allowance, key=key, units=weight, slides=slides, now=now)._replace(group=0)

    def ask() -> list[Told]:
        return counts.ask([first, *others], now=now)

    def ask_for_named() -> list[Told]:
        """Let django-ratelimit name the window, and count in it."""
        counts.expected = first, others
        get_usage(request, group=scope, key=lambda *_: key, rate=rate, increment=True)
        told: list[Told] = counts.told
        return told

    told = watch.ask(ask if slides else ask_for_named)
    if told is None:
        note_uncounted(request)
        return None
    usage, *rest = map(usage_of, (allowance, *beside), (first, *others), told, repeat(now))
    return usage, rest


def take(
    *,
    request: HttpRequest,
    key: str,
    allowances: Sequence[Allowance],
    units: int,
    slides: bool = False,
) -> list[Usage] | None:
    """Count ``units`` of ``key`` at once where all allowances bear all of them, else none.

    Otherwise as ``count_request``: units that others take meanwhile are counted, and units that do
    not fit stand in nobody's way.
    """
    now = int(time.time() * SECOND)
    asks = [ask_of(one, key=key, units=units, slides=slides, now=now) for one in allowances]
    told = watch.ask(lambda: counts.ask(asks, now=now))
    if told is None:
        note_uncounted(request)
        return None
    return list(map(usage_of, allowances, asks, told, repeat(now)))


def ask_of(one: Allowance, *, key: str, units: int, slides: bool, now: int) -> Ask:
    """Return how to ask Redis for units at a time in microseconds since the epoch."""
    rate = Rate.read(one.rate)
    if slides:
        name = f"rl:sliding:{one.name}:{rate.seconds}s:{key}"
        lifetime = rate.seconds + EXPIRY_MARGIN_SECONDS
        return Ask(name, 1, rate.count, units, rate.seconds * SECOND, lifetime)
    reset = rate.window_end(key=key, now=now // SECOND)
    name = f"rl:{one.name}:{rate.seconds}s:{key}:{reset}"
    return Ask(name, 1, rate.count, units, 0, reset - now // SECOND + EXPIRY_MARGIN_SECONDS)


def usage_of(one: Allowance, ask: Ask, told: Told, now: int) -> Usage:
    """Return the usage that was told.

    Of a window that slides, so many units pass ``retry_after`` seconds later at the latest, if no
    others do. More than the limit never pass: of them it says when nothing is counted any more,
    where nothing is, a second.
    """
    if ask.span:
        # What passed counts for the whole span, its last microsecond included. A clock that went
        # back may be hours from then, but Redis forgets the list before.
        reset = min((told.newest + ask.span) // SECOND, now // SECOND + ask.lifetime) + 1
        retry_after = min((told.leaves + ask.span - now) // SECOND + 1, ask.lifetime)
    else:
        retry_after = ask.lifetime - EXPIRY_MARGIN_SECONDS
        reset = now // SECOND + retry_after
    return Usage(one.scope, ask.limit, told.counted, reset, retry_after, is_exceeded=told.is_over)


def note_uncounted(request: HttpRequest) -> None:
    """Count a request that passes a limit for want of Redis, once however many limits it passes."""
    if not getattr(request, "passed_uncounted", False):
        request.passed_uncounted = True  # type: ignore[attr-defined]
        cache_outages_total.inc()


def forget_counts() -> None:
    """Begin all counts of requests and orders anew. Raises RedisError."""
    counts.delete_pattern("rl:*")
