"""A pause that the venue asked for: until it is over, no request goes out."""

import math
import threading
from collections.abc import Callable


class Pause:
    """Thread-safe; a shorter pause never cuts a longer one. ``clock`` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._until = -math.inf

    def extend(self, seconds: float) -> None:
        """Pause for at least ``seconds`` from now."""
        with self._lock:
            self._until = max(self._until, self._clock() + seconds)

    def remaining(self) -> int:
        """Return the seconds left, rounded up; zero when the pause is over."""
        with self._lock:
            return math.ceil(max(0.0, self._until - self._clock()))
