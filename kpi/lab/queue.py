"""Cells computed by Celery workers, on a queue of their own; each task claims a cell itself."""

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from kpi.lab.cells.crew import computer_of
from kpi.lab.claims import this_process
from kpi.lab.inputs.config import cells
from kpi.lab.inputs.specs import CellPlan, Study
from kpi.lab.models import LabStudy
from kpi.lab.runs import conclude, study_again
from kpi.lab.selectors import Progress, get_study, progress_of
from kpi.lab.services import Near, claim_cell, fail_cell, finish_cell, requeue_cells
from market.kernel.errors import ExchangeError
from market.kernel.jobs import send_job

TASK: Final = "kpi.tasks.compute_lab_cell"
#: Seconds between two looks at what the workers have done.
LOOK: Final = 0.5
#: Seconds after which it is told that no worker takes a cell.
SILENCE: Final = 10


@dataclass(slots=True)
class Bench:
    """What a worker keeps from cell to cell: a study, its plans, and its tape and population."""

    study_id: int
    study: Study
    plans: dict[str, CellPlan]
    computer: Any
    near: Near | None = None
    kept: ClassVar["Bench | None"] = None

    @classmethod
    def of(cls, stored: LabStudy) -> "Bench":
        """Return the bench of a study, the last one where it is of this study."""
        if cls.kept is None or cls.kept.study_id != stored.pk:
            study = study_again(stored)
            plans = {plan.key: plan for plan in cells(study)}
            cls.kept = cls(stored.pk, study, plans, computer_of(study))
        return cls.kept


def compute_cell(*, study_id: int) -> None:
    """Claim a cell of a study and compute it; the last one concludes the study.

    A cell that cannot be computed is kept as failed, with the reason. Raises NotFound.
    """
    stored = get_study(study_id=study_id)
    last = Bench.kept.near if Bench.kept and Bench.kept.study_id == study_id else None
    cell = claim_cell(study=stored, worker=this_process(), near=last)
    if cell is None:
        return
    try:
        bench = Bench.of(stored)
        bench.near = Near(cell.seed, cell.variant)
        finish_cell(cell=cell, result=bench.computer.result(bench.plans[cell.key]))
    except ExchangeError as refusal:
        fail_cell(cell=cell, error=refusal.detail)
    except Exception:
        fail_cell(cell=cell, error=traceback.format_exc())
    else:
        if not progress_of(stored).missing:
            conclude(stored, bench.study)


def send_tasks(stored: LabStudy, count: int) -> None:
    """Ask the workers of the lab's queue for so many cells. Raises WorkersAway."""
    for _ in range(count):
        send_job(TASK, study_id=stored.pk)


def watch(
    stored: LabStudy,
    *,
    patience: float,
    tell: Callable[[Progress], None],
    silent: Callable[[], None],
) -> Progress:
    """Follow the workers until every cell is done or failed, or the patience ends.

    Cells of a worker that died are asked for again. ``silent`` is called, once, where no worker
    has taken a cell for a while.
    """
    heard, left = time.monotonic(), -1
    deadline = heard + patience
    while (now := progress_of(stored)).queued + now.running and time.monotonic() < deadline:
        tell(now)
        if now.running or now.queued != left:
            heard, left = max(heard, time.monotonic()), now.queued
        elif time.monotonic() >= heard + SILENCE:
            silent()
            heard = deadline
        send_tasks(stored, requeue_cells(study=stored, failed=False))
        time.sleep(LOOK)
    tell(now)
    return now
