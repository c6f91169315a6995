"""The order desk of a web process: one thread that books what waits as a group, in one transaction.

Requests hand in what they want and wait; answers go out after the commit only. Whose account
another session has locked is booked by its own request, which waits for it. docs/order-desk.md says
why nothing is lost, doubled or reordered.

Only the web server opens a desk. Without one, and inside a transaction, which must see what is done
in it, an instruction is booked by itself: the same decisions, the same writing.
"""

import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Final, overload

import structlog
from django.db import connection

from market.kernel.api.database_errors import is_lost
from market.kernel.errors import DatabaseBusy, DatabaseUnavailable
from market.kernel.locks import is_lock_timeout
from trading.errors import OrderNotOpen
from trading.metrics import (
    order_group_size,
    order_group_wait_seconds,
    order_groups_taken_apart_total,
)
from trading.models import Order
from trading.orders.group import (
    Cancel,
    FateUnknown,
    Instruction,
    Patience,
    Place,
    Result,
    book,
    book_alone,
    was_rolled_back,
)
from trading.orders.tickets import Outcome

log = structlog.get_logger(__name__)

#: A group takes in no more once it has so many orders and cancels.
MOST_AT_ONCE: Final = 64
#: A group waits for accounts as long as the groups of other processes may hold them, then leaves
#: out locked ones; for exposure rows longer than a market step holds them.
AT_FIRST: Final = Patience(accounts=0.1, others=1)
SKIPPING: Final = Patience(accounts=0, others=1)
#: Whoever has an answer soon sends the next order: a group waits for as many slips as there lately
#: were at once, to share its cost with them; but for no more than these, and no longer.
MOST_AWAITED: Final = 8
GATHERING_SECONDS: Final = 0.005
#: Requests that wait for locked accounts on connections of their own; others need some, too.
ALONE_AT_ONCE: Final = 3
#: How long a request waits for its group to begin, and again for the group's end, in seconds.
LONGEST_WAIT: Final = 15.0


class Slip(Future[Result | None]):
    """An instruction that waits at the desk, is carried out, and has its result or an error.

    The states of a future are those of a slip: pending, from which its request may withdraw it;
    running, in a group; done. A result of None sends it back to be booked by its own request.
    """

    def __init__(self, instruction: Instruction) -> None:
        super().__init__()
        self.instruction = instruction
        self.handed_in = time.perf_counter()
        self.sent_back = 0.0

    @property
    def size(self) -> int:
        asked = self.instruction
        return len(asked.tickets if isinstance(asked, Place) else asked.order_ids)


class OrderDesk:
    """Takes slips and books them in groups, in the order in which they were handed in."""

    def __init__(self) -> None:
        self._begin()
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        """Begin without slips and without a thread, which the first slip starts."""
        self._slips: SimpleQueue[Slip | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._alone: dict[Slip, None] = {}
        self._turns = threading.Semaphore(ALONE_AT_ONCE)
        self._closed = False
        self._expected = 1
        self._all_here = threading.Event()

    def carry_out(self, instruction: Instruction) -> Result:
        """Hand in an instruction and return its result once it is committed.

        Raises AccountNotFound; DatabaseBusy where its turn does not come in time, and it is not
        carried out; DatabaseUnavailable where nobody can tell.
        """
        slip = Slip(instruction)
        if self._closed or self._is_held(instruction.user_id):
            return self._book_alone(slip)
        self._slips.put(slip)
        if self._slips.qsize() + 1 >= self._expected > 1:
            self._all_here.set()
        self._keep_running()
        connection.close()  # back into the pool: others need it while this one waits
        result = result_of(slip)
        return self._book_alone(slip) if result is None else result

    def close(self) -> None:
        """Book what waits and end; what comes later is booked by its own request."""
        self._closed = True
        self._slips.put(None)
        if self._thread is not None:
            self._thread.join(LONGEST_WAIT)

    def _book_alone(self, slip: Slip) -> Result:
        slip.sent_back = time.perf_counter()
        self._alone[slip] = None
        connection.close()
        try:
            if not self._turns.acquire(timeout=LONGEST_WAIT):
                raise DatabaseBusy
            try:
                return book_alone(slip.instruction)
            finally:
                self._turns.release()
        finally:
            del self._alone[slip]

    def _is_held(self, user_id: int) -> bool:
        """Tell whether a request waits for the account for longer than groups take.

        Those that come after it wait likewise, so that groups do not.
        """
        begun = time.perf_counter() - AT_FIRST.accounts
        return any(
            slip.instruction.user_id == user_id and slip.sent_back < begun
            for slip in list(self._alone)
        )

    def _keep_running(self) -> None:
        if self._thread is not None and self._thread.is_alive():
            return
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="order desk", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        try:
            while (first := self._slips.get()) is not None:
                if group := self._group_after(first):
                    serve(group)
                    self._expected = min(len(group) + self._slips.qsize(), MOST_AWAITED)
        finally:
            connection.close()

    def _await_others(self) -> None:
        """Give those time whose orders are likely on their way; one client waits for nobody."""
        self._all_here.clear()
        if self._slips.qsize() + 1 < self._expected:
            self._all_here.wait(GATHERING_SECONDS)

    def _group_after(self, first: Slip) -> list[Slip]:
        """Return a slip with those that wait behind it, but for withdrawn ones."""
        self._await_others()
        group, size = [first], first.size
        while size < MOST_AT_ONCE:
            try:
                slip = self._slips.get_nowait()
            except Empty:
                break
            if slip is None:
                self._slips.put(None)
                break
            group.append(slip)
            size += slip.size
        return [slip for slip in group if slip.set_running_or_notify_cancel()]


def result_of(slip: Slip) -> Result | None:
    """Wait for a slip's result; withdraw it where its group does not begin in time."""
    try:
        return slip.result(LONGEST_WAIT)
    except TimeoutError:
        if slip.cancel():
            raise DatabaseBusy from None
    try:
        return slip.result(LONGEST_WAIT)
    except TimeoutError:
        raise DatabaseUnavailable from None


def serve(group: Sequence[Slip]) -> None:
    """Book a group and answer each of its slips, whatever happens."""
    order_group_size.observe(len(group))
    begun = time.perf_counter()
    for slip in group:
        order_group_wait_seconds.observe(begun - slip.handed_in)
    try:
        book_or_take_apart(group)
    except Exception as fault:
        log.exception("order_desk_failed")
        for slip in group:
            if not slip.done():
                slip.set_exception(fault)


def book_or_take_apart(group: Sequence[Slip]) -> None:
    """Book a group; once more where it did nothing for want of a connection or an account."""
    try:
        book_slips(group, AT_FIRST)
    except Exception as error:
        if not (is_lost(error) or is_lock_timeout(error)):
            return take_apart(group, error)
        try:
            book_slips(group, SKIPPING)
        except Exception as again:
            take_apart(group, again)


def book_slips(group: Sequence[Slip], patience: Patience) -> None:
    """Book slips in one transaction and answer them; all of them or none."""
    if connection.errors_occurred and not connection.is_usable():
        connection.close()
    connection.errors_occurred = False
    results = book([slip.instruction for slip in group], patience=patience)
    for slip, result in zip(group, results, strict=True):
        slip.set_result(result)


def take_apart(group: Sequence[Slip], error: Exception) -> None:
    """Answer the slips of a group that failed: in general each is booked by itself, in order."""
    order_groups_taken_apart_total.inc()
    log.warning("order_group_taken_apart", size=len(group), error=repr(error))
    if is_lock_timeout(error):
        for slip in group:
            slip.set_result(None)
    elif is_lost(error) or (isinstance(error, FateUnknown) and not was_rolled_back(error)):
        for slip in group:
            slip.set_exception(DatabaseUnavailable())
    else:
        for slip in group:
            book_slip(slip)


def book_slip(slip: Slip) -> None:
    """Book one slip of a group that failed and answer it."""
    try:
        book_slips([slip], SKIPPING)
    except Exception as error:
        if is_lock_timeout(error):
            slip.set_result(None)
        else:
            slip.set_exception(error)


class _Process:
    """This process, with its desk if it has one."""

    desk: OrderDesk | None = None


def open_desk() -> None:
    """Let this process carry out instructions in groups; its thread starts with the first."""
    _Process.desk = OrderDesk()


def close_desk() -> None:
    """Book what waits at the desk, if there is one, and go on without."""
    desk, _Process.desk = _Process.desk, None
    if desk is not None:
        desk.close()


@overload
def carry_out(instruction: Place) -> list[Outcome]: ...
@overload
def carry_out(instruction: Cancel) -> list[Order | OrderNotOpen]: ...
def carry_out(instruction: Instruction) -> Result:
    """Carry out an instruction at the desk, or by itself. Raises what OrderDesk.carry_out does."""
    if _Process.desk is None or connection.in_atomic_block:
        return book_alone(instruction)
    return _Process.desk.carry_out(instruction)
