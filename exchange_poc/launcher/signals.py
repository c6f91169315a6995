"""Turns SIGINT, SIGTERM and SIGHUP into a request that is honoured at a safe moment.

An exception raised inside a signal handler could strike between the start of a process and
the line that remembers it; a flag, read while waiting, cannot.
"""

import signal
import time
from types import FrameType, TracebackType
from typing import Any, Self

from exchange_poc.launcher.errors import StopRequested


class StopSignals:
    """Collects stop signals while it is entered; the handlers before it come back afterwards."""

    def __init__(self) -> None:
        self.received: int | None = None
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue  # nohup asked to outlive the terminal
            self._previous[number] = signal.signal(number, self._remember)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self.received = number

    def pause(self, seconds: float) -> None:
        """Sleep for ``seconds``; raise StopRequested when a signal has arrived."""
        if self.received is None:
            time.sleep(seconds)
        if self.received is not None:
            raise StopRequested
