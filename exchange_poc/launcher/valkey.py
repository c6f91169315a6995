"""The embedded Valkey: cache and broker in memory only, nothing kept on disk."""

import contextlib
import signal
from typing import ClassVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from exchange_poc.launcher.ports import LOOPBACK
from exchange_poc.launcher.processes import Steps
from exchange_poc.launcher.server import EmbeddedServer


class Valkey(EmbeddedServer):
    """Valkey with a password, which travels on standard input so that no process list shows it."""

    name: ClassVar[str] = "valkey"
    variable: ClassVar[str] = "REDIS_URL"
    stop_steps: ClassVar[Steps] = ((signal.SIGTERM, 5), (signal.SIGKILL, 5))

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/0"

    def prepare(self) -> list[str]:
        return [str(self.quarters.valkey_program()), "-"]

    def configuration(self) -> bytes:
        lines = (
            f"bind {LOOPBACK}",
            f"port {self.port}",
            "databases 256",  # each process of a parallel test run has one
            f"requirepass {self.password}",
            'save ""',
            "appendonly no",
        )
        return "\n".join(lines).encode() + b"\n"

    def recorded_pid(self) -> int | None:
        # Only our server knows our password, so what answers to it is ours.
        with contextlib.suppress(redis.RedisError):
            return int(self._client().info("server")["process_id"])
        return None

    def accepts(self) -> bool:
        try:
            return bool(self._client().ping())
        except redis.RedisError:
            return False

    def _client(self) -> redis.Redis:
        return redis.Redis(
            host=LOOPBACK,
            port=self.port,
            password=self.password,
            socket_timeout=2,
            retry=Retry(NoBackoff(), 0),
        )
