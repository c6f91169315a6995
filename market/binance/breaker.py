"""A circuit breaker: after a failure a source is left alone for a while, longer each time."""

import threading
import time
from collections.abc import Callable


class CircuitBreaker:
    """Closed until a call fails; then open for ``cool_down`` seconds, doubling up to ``longest``.

    When the time is over one call may try; its outcome closes or opens the breaker again.
    """

    def __init__(
        self,
        *,
        cool_down: float = 5,
        longest: float = 300,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._first, self._longest, self._clock = cool_down, longest, clock
        self._lock = threading.Lock()
        self._pause = 0.0
        self._paused_until = 0.0

    def allows(self) -> bool:
        """Tell whether to call now; of several callers after a pause only one is let through."""
        with self._lock:
            now = self._clock()
            if self._pause == 0:
                return True
            if now < self._paused_until:
                return False
            self._paused_until = now + self._pause
            return True

    def succeeded(self) -> None:
        """Close the breaker."""
        with self._lock:
            self._pause = 0.0

    def failed(self) -> None:
        """Open the breaker for the next pause."""
        with self._lock:
            self._pause = min(self._pause * 2, self._longest) if self._pause else self._first
            self._paused_until = self._clock() + self._pause
