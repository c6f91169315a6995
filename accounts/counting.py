"""The cache that the rate limits count in: one round trip for all that a request counts."""

import hashlib
import threading
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final, NamedTuple

from django_redis.cache import RedisCache
from redis.exceptions import NoScriptError, RedisError

#: Each key has three numbers: limit, units and lifetime. Behind them stands how many keys are asked
#: first, the others if those fit; else it is all of them. Answers the count of each, of one that
#: did not fit as -1 - count; of a single key as a number, of more as a text.
FIXED: Final = """
local told, fits = {}, true
local first, last = 1, tonumber(ARGV[3 * #KEYS + 1] or #KEYS)
while fits and first <= last do
    for number = first, last do
        local at, key = 3 * number - 2, KEYS[number]
        local count = redis.call('INCRBY', key, ARGV[at + 1])
        if count == tonumber(ARGV[at + 1]) then redis.call('EXPIRE', key, ARGV[at + 2]) end
        fits = fits and count <= tonumber(ARGV[at])
        told[number] = count
    end
    if not fits then
        for number = first, last do
            local at = 3 * number - 2
            local count = redis.call('DECRBY', KEYS[number], ARGV[at + 1])
            told[number] = told[number] > tonumber(ARGV[at]) and -1 - count or count
        end
    end
    first, last = last + 1, #KEYS
end
if not KEYS[2] then return told[1] end
return table.concat(told, ' ')
"""
#: The same with a list of when each unit passed, no longer than the limit. Behind each key stand
#: limit, units, lifetime and the length of the window, in front of all the time, in microseconds;
#: the answer to each are count, 1 if it did not fit, and what Told has besides. A process whose
#: clock is behind counts at the last time that a list knows.
SLIDING: Final = """
local told, fits = {}, true
local first, last = 1, tonumber(ARGV[1])
while fits and first <= last do
    local group = {}
    for number = first, last do
        local at, key = 4 * number - 1, KEYS[number]
        local limit, units = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
        local newest = tonumber(redis.call('LINDEX', key, -1) or '0')
        local now = math.max(tonumber(ARGV[2]), newest)
        local start = now - tonumber(ARGV[at + 3])
        local oldest = redis.call('LINDEX', key, 0)
        while oldest and tonumber(oldest) < start do
            redis.call('LPOP', key)
            oldest = redis.call('LINDEX', key, 0)
        end
        local count = redis.call('LLEN', key)
        if count == 0 then newest = start end
        local over, leaves = count + units - limit, newest
        if over > 0 then
            fits = false
            leaves = tonumber(redis.call('LINDEX', key, math.min(over, count) - 1) or start)
        end
        group[number] = {key, units, ARGV[at + 2], now, count, over > 0 and 1 or 0, newest, leaves}
    end
    for number = first, last do
        local key, units, lifetime, now, count, over, newest, leaves = unpack(group[number])
        if fits and units > 0 then
            local moment = string.format('%.0f', now)
            for _ = 1, units do redis.call('RPUSH', key, moment) end
            redis.call('EXPIRE', key, lifetime)
            count, newest = count + units, now
        end
        told[number] = string.format('%d %d %.0f %.0f', count, over, newest, leaves)
    end
    first, last = last + 1, #KEYS
end
return table.concat(told, ' ')
"""
DIGESTS: Final = {
    script: hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
    for script in (FIXED, SLIDING)
}


class Ask(NamedTuple):
    """``units`` to be counted under a key of Redis, if with them there are no more than ``limit``.

    What is counted is kept for ``lifetime`` seconds. ``span`` is the length of a window that
    slides, in microseconds, and 0 of one that is fixed.
    """

    key: str
    limit: int
    units: int
    lifetime: int
    span: int


class Told(NamedTuple):
    """What is counted now, and whether what was asked did not fit.

    Of a window that slides also when its newest unit passed and when the last one did that has to
    leave before what was asked fits, in microseconds since the epoch.
    """

    counted: int
    is_over: bool
    newest: int = 0
    leaves: int = 0


def told_as(answer: int) -> Told:
    """Return what an answer of FIXED tells."""
    return Told(answer, False) if answer >= 0 else Told(-1 - answer, True)


def packed(*words: str | int) -> list[bytes]:
    """Return a command as Redis reads it, in half the time that redis-py takes for any word."""
    texts = [str(word).encode() for word in words]
    return [
        b"*%d\r\n%b" % (len(texts), b"".join([b"$%d\r\n%b\r\n" % (len(one), one) for one in texts]))
    ]


class Expected(threading.local):
    """What a thread has django-ratelimit count, which looks for the thread's cache by itself."""

    #: How to ask for its next count, for want of its key; and what else to ask.
    asks: tuple[Ask, Sequence[Ask]]
    #: What was told of them.
    told: list[Told]


expected: Final = Expected()


class CountingCache(RedisCache):
    """django-redis' cache for django-ratelimit, which names a fixed window and counts one in it.

    Here it asks as ``expected`` says, and whatever else is asked with it. Each thread has a cache
    of its own.
    """

    def add(self, key: str, value: int, timeout: int) -> bool:
        """Count, and say that there was a count, so that it is asked for."""
        (_, limit, units, _, _), others = expected.asks
        expected.told = self.ask_fixed([Ask(key, limit, units, timeout, 0), *others], first=1)
        return False

    def incr(self, key: str) -> int:
        return expected.told[0].counted

    def ask_fixed(self, asks: Sequence[Ask], *, first: int) -> list[Told]:
        """Return what is told of fixed windows, all of which Redis asks as one step.

        The ``first`` so many count all or none, and where they fit, the others do so too; of
        others that were not asked nothing is told.
        """
        if len(asks) == 1:
            _, limit, units, lifetime, _ = asks[0]
            return [told_as(self.run(FIXED, asks, limit, units, lifetime))]
        numbers = (number for one in asks for number in one[1:4])
        return [told_as(int(one)) for one in self.run(FIXED, asks, *numbers, first).split()]

    def ask_sliding(self, asks: Sequence[Ask], *, first: int, now: int) -> list[Told]:
        """Return the same of windows that slide, at a time in microseconds since the epoch."""
        numbers = (number for one in asks for number in one[1:])
        told = list(map(int, self.run(SLIDING, asks, first, now, *numbers).split()))
        return [
            Told(told[at], bool(told[at + 1]), told[at + 2], told[at + 3])
            for at in range(0, len(told), 4)
        ]

    def run(self, script: str, asks: Sequence[Ask], *arguments: int) -> Any:
        """Return what a script answers.

        Past redis-py's own calls, whose retries are not wanted here and take half the time.
        """
        make_key, connection = self.client.make_key, self.live_connection()
        asked = (len(asks), *[make_key(one.key) for one in asks], *arguments)
        connection.send_packed_command(packed("EVALSHA", DIGESTS[script], *asked))
        try:
            return connection.read_response()
        except NoScriptError:  # of a server that has begun anew
            connection.send_packed_command(packed("EVAL", script, *asked))
            return connection.read_response()

    def close(self, **kwargs: Any) -> None:
        """Keep the connection at the end of a request, without a look at what there is to close."""

    def live_connection(self) -> Any:
        """Return the cache's own connection, opened anew where the server ended it meanwhile."""
        try:
            # One that is closed would be opened by looking, and once more by asking.
            if not (self.connection.is_connected and self.connection.can_read()):
                return self.connection
        except (RedisError, OSError):
            pass
        self.connection.disconnect()
        return self.connection

    @cached_property
    def connection(self) -> Any:
        """A connection for this thread alone: lending one from a pool is a third of a count."""
        return self.client.get_client().connection_pool.make_connection()
