"""Counts requests and orders in Redis against a rate; what Redis cannot count is let through."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeVar, cast

import structlog
from django.core.cache import DEFAULT_CACHE_ALIAS, caches
from django.http import HttpRequest
from django_ratelimit.core import get_usage
from redis.exceptions import RedisError

from accounts.counting import Ask, CountingCache, Told, expected
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


def own_counts() -> CountingCache:
    """Return the counts as this thread reaches them."""
    return cast(CountingCache, caches[DEFAULT_CACHE_ALIAS])


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
    read = Rate.read(rate)
    first = ask_of(scope, rate, key=key, units=weight, slides=slides, now=now)
    others = [
        ask_of(one.name, one.rate, key=key, units=units, slides=slides, now=now) for one in beside
    ]

    def count() -> list[Told]:
        if slides:
            return own_counts().ask_sliding([first, *others], first=1, now=now)
        # django-ratelimit names the window, and counts in it what is expected.
        expected.asks = first, others
        pair = read.count, read.seconds
        get_usage(request, group=scope, key=lambda *_: key, rate=pair, increment=True)
        return expected.told

    told = watch.ask(count)
    if told is None:
        note_uncounted(request)
        return None
    usage = usage_of(scope, first, told[0], now)
    # Of what is beside a request that did not fit nothing was told.
    rest = zip(beside, others, told[1:], strict=False)
    return usage, [usage_of(one.scope, ask, said, now) for one, ask, said in rest]


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
    asks = [
        ask_of(one.name, one.rate, key=key, units=units, slides=slides, now=now)
        for one in allowances
    ]

    def count() -> list[Told]:
        counts = own_counts()
        if slides:
            return counts.ask_sliding(asks, first=len(asks), now=now)
        return counts.ask_fixed(asks, first=len(asks))

    told = watch.ask(count)
    if told is None:
        note_uncounted(request)
        return None
    answered = zip(allowances, asks, told, strict=True)
    return [usage_of(one.scope, ask, said, now) for one, ask, said in answered]


def ask_of(name: str, written: str, *, key: str, units: int, slides: bool, now: int) -> Ask:
    """Return how to ask Redis for units at a rate, at a time in microseconds since the epoch."""
    rate = Rate.read(written)
    if slides:
        lifetime = rate.seconds + EXPIRY_MARGIN_SECONDS
        window = f"rl:sliding:{name}:{rate.seconds}s:{key}"
        return Ask(window, rate.count, units, lifetime, rate.seconds * SECOND)
    second = now // SECOND
    reset = rate.window_end(key=key, now=second)
    window = f"rl:{name}:{rate.seconds}s:{key}:{reset}"
    return Ask(window, rate.count, units, reset - second + EXPIRY_MARGIN_SECONDS, 0)


def usage_of(scope: str, ask: Ask, told: Told, now: int) -> Usage:
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
    return Usage(scope, ask.limit, told.counted, reset, retry_after, is_exceeded=told.is_over)


def note_uncounted(request: HttpRequest) -> None:
    """Count a request that passes a limit for want of Redis, once however many limits it passes."""
    if not getattr(request, "passed_uncounted", False):
        request.passed_uncounted = True  # type: ignore[attr-defined]
        cache_outages_total.inc()


def forget_counts() -> None:
    """Begin all counts of requests and orders anew. Raises RedisError."""
    own_counts().delete_pattern("rl:*")
