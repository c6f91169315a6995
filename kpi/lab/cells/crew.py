"""Processes that compute cells: each keeps a study's tape and population from cell to cell.

They know no database. Each has a pipe of its own, so that it ends with its parent, however that
ends, and so that the death of one is noticed and costs one cell.
"""

import contextlib
import multiprocessing
import signal
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, Final

from kpi.lab.extra import needs_the_extra
from kpi.lab.inputs.specs import CellPlan, Study
from market.kernel.errors import ExchangeError

#: A fresh interpreter: a forked one would share the parent's connections and locks.
SPAWN: Final = multiprocessing.get_context("spawn")
#: Seconds that a process has to end by itself.
PATIENCE: Final = 5


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a plan: its result, or the text of an error."""

    plan: CellPlan
    result: Any = None
    error: str = ""


class Hand:
    """One process of a crew, and the plan that it has."""

    def __init__(self, study: Study) -> None:
        self.pipe, theirs = SPAWN.Pipe()
        self.process = SPAWN.Process(target=serve, args=(theirs, study), daemon=True)
        self.process.start()
        theirs.close()
        self.plan: CellPlan | None = None
        self.last: CellPlan | None = None

    def give(self, plan: CellPlan) -> None:
        self.plan = self.last = plan
        with contextlib.suppress(OSError):  # one that is dead is noticed by what it answers
            self.pipe.send(plan)

    def take(self) -> Answer:
        """Return what became of the plan. Raises EOFError where the process died over it."""
        assert self.plan is not None
        plan, self.plan = self.plan, None
        try:
            result, error = self.pipe.recv()
        except OSError as lost:
            raise EOFError from lost
        return Answer(plan, result, error)

    def end(self) -> None:
        self.pipe.close()
        self.process.terminate()
        self.process.join(PATIENCE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


class Crew:
    """Some hands, to be used as a context; leaving it ends them and what they were at."""

    def __init__(self, study: Study, processes: int) -> None:
        self.study = study
        self.hands = [Hand(study) for _ in range(processes)]

    def __enter__(self) -> "Crew":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for hand in self.hands:
            hand.end()

    def idle(self) -> list[Hand]:
        return [hand for hand in self.hands if hand.plan is None]

    def answers(self) -> Iterator[Answer]:
        """Wait until at least one hand is done, and yield what became of each such plan."""
        pipes = {hand.pipe: hand for hand in self.hands if hand.plan is not None}
        for pipe in wait(list(pipes)):
            assert isinstance(pipe, Connection)
            yield self.answer(pipes[pipe])

    def answer(self, hand: Hand) -> Answer:
        """Return what became of a hand's plan; a hand that died over it is replaced."""
        plan = hand.plan
        assert plan is not None
        try:
            return hand.take()
        except EOFError:
            hand.end()
            self.hands[self.hands.index(hand)] = Hand(self.study)
            code = hand.process.exitcode
            return Answer(plan, error=f"The process that computed it ended with status {code}.")


def serve(pipe: Connection, study: Study) -> None:
    """Compute plans as they come, until the other end of the pipe is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C and says what to do
    with contextlib.suppress(EOFError, OSError):
        computer: Any = None
        while True:
            plan = pipe.recv()
            try:
                computer = computer or computer_of(study)
                answer = computer.result(plan), ""
            except ExchangeError as refusal:
                answer = None, refusal.detail
            except Exception:
                answer = None, traceback.format_exc()
            pipe.send(answer)


def computer_of(study: Study) -> Any:
    """Return what computes cells of a study. Raises LabNotInstalled."""
    with needs_the_extra():
        from kpi.lab.cells.computing import Computer
    return Computer(study)
