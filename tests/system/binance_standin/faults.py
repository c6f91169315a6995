"""Faults that a test orders: what happens to the next request of a kind, and when."""

import enum
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

#: A dripping answer comes a byte at a time with this many seconds in between.
DRIP_SECONDS = 0.05


class Fault(enum.Enum):
    """BEFORE: the request has no effect (yet); AFTER: it has its effect, and no proper answer."""

    DROP_BEFORE = enum.auto()
    DROP_AFTER = enum.auto()
    #: Held back until release(), then processed and answered: an order that arrives late.
    HOLD_BEFORE = enum.auto()
    #: Processed at once, answered after release().
    HOLD_AFTER = enum.auto()
    UNAVAILABLE_BEFORE = enum.auto()
    UNAVAILABLE_AFTER = enum.auto()
    #: Processed at once, and the answer drips: from its first byte on, or once its head is out.
    DRIP_HEAD = enum.auto()
    DRIP_BODY = enum.auto()


@dataclass(frozen=True)
class Answer:
    """An answer of a test's own making, in place of the endpoint's, which is not called."""

    status: int
    body: Any
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Lie:
    """The request has its effect, and the answer says what ``tell`` makes of the true one."""

    tell: Callable[[Any], Any]
    status: int = 200


#: What may happen to a request.
AnyFault = Fault | Answer | Lie


class Faults:
    """The faults in waiting, one queue per method and path."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.waiting: list[tuple[str, str, AnyFault]] = []
        self.released = threading.Event()

    def add(self, method: str, path: str, fault: AnyFault) -> None:
        with self.lock:
            self.released.clear()
            self.waiting.append((method, path, fault))

    def take(self, method: str, path: str) -> AnyFault | None:
        """Return the fault for a request, at most once."""
        with self.lock:
            for entry in self.waiting:
                if entry[:2] == (method, path):
                    self.waiting.remove(entry)
                    return entry[2]
        return None
