"""The cache that the rate limits count in: one round trip a count, however it is asked for."""

from functools import cached_property
from typing import Any, Final

from django_redis.cache import RedisCache
from redis.exceptions import RedisError

#: Adds ARGV[1] to a count, which lives for ARGV[2] seconds from its beginning.
ADD: Final = """
local count = redis.call('INCRBY', KEYS[1], ARGV[1])
if count == tonumber(ARGV[1]) then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
return count
"""


class CountingCache(RedisCache):
    """django-redis' cache for django-ratelimit, which begins a count and, if there is one, adds.

    Here it is told by the first whether there was one, and by the second what the first counted.
    Each thread has a cache of its own.
    """

    counted: int

    def add(self, key: str, value: int, timeout: int) -> bool:
        self.counted = self.run(ADD, key, value, timeout)
        return self.counted == value

    def incr(self, key: str) -> int:
        return self.counted

    def run(self, script: str, key: str, *arguments: int) -> Any:
        """Return what a script answers for a key; Redis runs it as one step.

        Past the client's own ``eval``, whose retries are not wanted here and take half its time.
        """
        connection = self.live_connection()
        connection.send_command("EVAL", script, 1, self.client.make_key(key), *arguments)
        return connection.read_response()

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
