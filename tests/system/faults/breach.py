"""Puts accounts in breach all at once and holds a sweep up in the middle of them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal

from tests.system.faults.stack import Stack
from tests.waiting import wait_for

NORMAL_THRESHOLD = Decimal("0.5")
#: The first waits for the obstacle, those behind it wait for the first.
WAITING = """
SELECT client_port FROM pg_stat_activity
WHERE %(pid)s = ANY (pg_blocking_pids(pid)) OR EXISTS (
    SELECT FROM unnest(pg_blocking_pids(pid)) AS first (pid)
    WHERE %(pid)s = ANY (pg_blocking_pids(first.pid))
)
"""
CLOSED_OUT = """
SELECT account_id, count(*) FROM trading_liquidation WHERE account_id = ANY (%s) GROUP BY 1
"""


@contextmanager
def breach(stack: Stack, threshold: Decimal) -> Iterator[None]:
    """Raise the liquidation threshold for the block, as staff may; the next sweep sees it."""
    set_threshold(stack, threshold)
    try:
        yield
    finally:
        set_threshold(stack, NORMAL_THRESHOLD)


def set_threshold(stack: Stack, threshold: Decimal) -> None:
    stack.query("UPDATE risk_riskpolicy SET liquidation_threshold = %s", [threshold])


class Obstacle:
    """A lock on accounts that hold a sweep up when it gets there, until released.

    A sweep waits a second for each of them, and then leaves it to the next one.
    """

    def __init__(self, stack: Stack, account_ids: Sequence[int]) -> None:
        self.stack = stack
        self.connection = stack.connect()
        self.connection.autocommit = False
        self.connection.execute(
            "SELECT id FROM accounts_account WHERE id = ANY (%s) FOR UPDATE", [list(account_ids)]
        )
        self.pid = self.connection.info.backend_pid

    def waiting(self) -> list[int]:
        """Return the local ports of the connections that wait for these accounts."""
        return [port for (port,) in self.stack.query(WAITING, {"pid": self.pid})]

    def wait_for_sweeps(self, count: int) -> int:
        """Return when at least ``count`` sweeps stand at the accounts, and how many they are."""
        wait_for(lambda: len(self.waiting()) >= count, what=f"{count} sweeps at once", seconds=60)
        return len(self.waiting())

    def release(self) -> None:
        """Let the sweeps go on."""
        self.connection.close()


@contextmanager
def obstacle(stack: Stack, *account_ids: int) -> Iterator[Obstacle]:
    """Hold the locks of accounts until it is released, or the block ends."""
    held = Obstacle(stack, account_ids)
    try:
        yield held
    finally:
        held.release()


def close_outs(stack: Stack, victims: Sequence[int]) -> dict[int, int]:
    """Return how often each of the accounts was closed out."""
    return dict(stack.query(CLOSED_OUT, [list(victims)]))


def closed_out_once(stack: Stack, victims: Sequence[int], *, seconds: float = 60) -> None:
    """Return when every account is closed out; fail when one was twice."""
    wait_for(
        lambda: len(close_outs(stack, victims)) == len(victims),
        what="the close-out of all accounts in breach",
        seconds=seconds,
    )
    assert set(close_outs(stack, victims).values()) == {1}, "an account was closed out twice"
