"""The cache that the rate limits count in: one round trip for all that a request counts."""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final, NamedTuple

from django_redis.cache import RedisCache
from redis.exceptions import NoScriptError, RedisError

#: Counts for each key what is asked of it in ARGV[1]: after the time, in microseconds, five numbers
#: a key, as Ask has them. A window that slides is a list of when each unit passed, no more than the
#: limit; a process whose clock is behind counts at the last time that the list knows.
COUNT: Final = """
local asked, told = {}, {}
for number in string.gmatch(ARGV[1], '%S+') do asked[#asked + 1] = tonumber(number) end

local function look(number, key)
    local at = number * 5 - 3
    local one = {key = key, group = asked[at], limit = asked[at + 1], units = asked[at + 2],
                 span = asked[at + 3], lifetime = asked[at + 4], newest = 0, leaves = 0}
    if one.span == 0 then
        one.count = tonumber(redis.call('GET', key) or '0')
        one.over = one.count + one.units > one.limit
        return one
    end
    one.newest = tonumber(redis.call('LINDEX', key, -1) or '0')
    one.now = math.max(asked[1], one.newest)
    local start = one.now - one.span
    local oldest = redis.call('LINDEX', key, 0)
    while oldest and tonumber(oldest) < start do
        redis.call('LPOP', key)
        oldest = redis.call('LINDEX', key, 0)
    end
    one.count = redis.call('LLEN', key)
    if one.count == 0 then one.newest = start end
    local over = one.count + one.units - one.limit
    one.over = over > 0
    if one.over then
        one.leaves = tonumber(redis.call('LINDEX', key, math.min(over, one.count) - 1) or start)
    end
    return one
end

local function add(one)
    if one.units == 0 then return end
    if one.span == 0 then
        local count = redis.call('INCRBY', one.key, one.units)
        if count == one.units then redis.call('EXPIRE', one.key, one.lifetime) end
    else
        local now = string.format('%.0f', one.now)
        for _ = 1, one.units do redis.call('RPUSH', one.key, now) end
        redis.call('EXPIRE', one.key, one.lifetime)
        one.newest = one.now
    end
    one.count = one.count + one.units
end

local number = 1
while KEYS[number] do
    local group, fits = {}, true
    repeat
        local one = look(number, KEYS[number])
        group[#group + 1] = one
        fits = fits and not one.over
        number = number + 1
    until not KEYS[number] or asked[number * 5 - 3] ~= one.group
    for _, one in ipairs(group) do
        if fits then add(one) end
        told[#told + 1] = string.format(
            '%.0f %d %.0f %.0f', one.count, one.over and 1 or 0, one.newest, one.leaves)
    end
    if not fits then break end
end
return table.concat(told, ' ')
"""
DIGEST: Final = hashlib.sha1(COUNT.encode(), usedforsecurity=False).hexdigest()


class Ask(NamedTuple):
    """``units`` to be counted under a key of Redis, if with them there are no more than ``limit``.

    Those of a ``group``, which follow each other, are counted all or none; where one does not fit,
    no later group is asked. ``span`` is the length of a window that slides, in microseconds, 0 of
    one that is fixed. What is counted is kept for ``lifetime`` seconds.
    """

    key: str
    group: int
    limit: int
    units: int
    span: int
    lifetime: int


class Told(NamedTuple):
    """What is counted now, and whether what was asked did not fit.

    Of a window that slides also when its newest unit passed and when the last one did that has to
    leave before what was asked fits, in microseconds since the epoch.
    """

    counted: int
    is_over: bool
    newest: int
    leaves: int


class CountingCache(RedisCache):
    """django-redis' cache for django-ratelimit, which names a fixed window and counts one in it.

    Here it asks as ``expected`` says, and whatever else is asked with it. Each thread has a cache
    of its own.
    """

    #: How to ask for django-ratelimit's next count, for want of its key; and what else to ask.
    expected: tuple[Ask, Sequence[Ask]]
    #: What was told of them.
    told: list[Told]

    def add(self, key: str, value: int, timeout: int) -> bool:
        """Count, and say that there was a count, so that it is asked for."""
        first, others = self.expected
        self.told = self.ask([first._replace(key=key, lifetime=timeout), *others], now=0)
        return False

    def incr(self, key: str) -> int:
        return self.told[0].counted

    def ask(self, asks: Sequence[Ask], *, now: int) -> list[Told]:
        """Return what is told of each that was asked; Redis answers all of them as one step.

        ``now`` is the time in microseconds since the epoch, for windows that slide. Past redis-py's
        own calls, whose retries are not wanted here and take half the time.
        """
        keys = [self.client.make_key(one.key) for one in asks]
        numbers = " ".join([str(now), *(str(number) for one in asks for number in one[1:])])
        connection = self.live_connection()
        connection.send_command("EVALSHA", DIGEST, len(keys), *keys, numbers)
        try:
            answer = connection.read_response()
        except NoScriptError:  # of a server that has begun anew
            connection.send_command("EVAL", COUNT, len(keys), *keys, numbers)
            answer = connection.read_response()
        told = list(map(int, answer.split()))
        return [
            Told(told[at], bool(told[at + 1]), told[at + 2], told[at + 3])
            for at in range(0, len(told), 4)
        ]

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
