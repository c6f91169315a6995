"""A circuit breaker: after a failure a source is left alone for a while, longer each time."""

import enum
import threading
import time
from collections.abc import Callable


class BreakerState(enum.StrEnum):
    """Closed lets every call through, open none, half-open the one that tries."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class CircuitBreaker:
    """Closed until a call fails; then open for ``cool_down`` seconds, doubling up to ``longest``.

    When the time is over one call may try; its outcome closes or opens the breaker again. A try
    whose outcome is never told counts for one more pause, then the next call may try.
    """

    def __init__(
        self,
        *,
        cool_down: float = 5,
        longest: float = 300,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cool_down, self._longest, self._clock = cool_down, longest, clock
        self._lock = threading.Lock()
        self._state = BreakerState.CLOSED
        self._pause = cool_down
        self._paused_until = 0.0

    @property
    def state(self) -> BreakerState:
        return self._state

    def allows(self) -> bool:
        """Tell whether to call now; of several callers after a pause only one is let through."""
        with self._lock:
            if self._state is BreakerState.CLOSED:
                return True
            if self._clock() < self._paused_until:
                return False
            self._state = BreakerState.HALF_OPEN
            self._paused_until = self._clock() + self._pause
            return True

    def succeeded(self) -> None:
        """Close the breaker."""
        with self._lock:
            self._state = BreakerState.CLOSED

    def failed(self) -> None:
        """Open the breaker; a call that began before it opened changes nothing."""
        with self._lock:
            if self._state is BreakerState.OPEN:
                return
            tried = self._state is BreakerState.HALF_OPEN
            self._pause = min(self._pause * 2, self._longest) if tried else self._cool_down
            self._state = BreakerState.OPEN
            self._paused_until = self._clock() + self._pause
