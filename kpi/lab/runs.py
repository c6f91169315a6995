"""Runs of a study on this machine: its missing cells computed, and then its answer."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from django.db import connection

from kpi.lab.answers.compare import compare
from kpi.lab.cells.crew import Answer, Crew, Hand, computer_of
from kpi.lab.claims import this_process
from kpi.lab.errors import LabError
from kpi.lab.extra import needs_the_extra
from kpi.lab.inputs.canonical import sha256, study_text
from kpi.lab.inputs.config import cells, study_of
from kpi.lab.inputs.specs import CellPlan, Study
from kpi.lab.models import LabCell, LabStudy
from kpi.lab.selectors import digests_of, progress_of, results_of
from kpi.lab.services import (
    Near,
    claim_cell,
    fail_cell,
    finish_cell,
    release_cells,
    store_answer,
)

#: What a quick run of a study is content with.
QUICK_ACCOUNTS: Final = 2_000
QUICK_SEEDS: Final = 2
#: Told after each cell, with its error, empty where it has a result.
Tell = Callable[[LabCell, str], None]


class StudyChanged(LabError):
    code = "lab_study_changed"
    detail = "The study's files are no longer what they were when it was stored. Run it anew."


def quick(study: Study) -> Study:
    """Return a study with fewer accounts and seeds, for a first look; another study by digest."""
    few = min(study.population.accounts, QUICK_ACCOUNTS)
    small = replace(
        study,
        name=f"{study.name} (quick)",
        population=replace(study.population, accounts=few),
        seeds=study.seeds[:QUICK_SEEDS],
    )
    canonical = study_text(small)
    return replace(small, canonical=canonical, digest=sha256(canonical))


def study_again(stored: LabStudy) -> Study:
    """Return the study that a stored one was. Raises StudyError or StudyChanged."""
    study = study_of(stored.source, file=stored.path, overrides=stored.tapes)
    for one in (study, quick(study)):
        if one.digest == stored.digest:
            return one
    raise StudyChanged


def inputs_of(study: Study) -> list[tuple[Any, Any]]:
    """Return variants and tapes, once all that a study reads is read. Raises LabError."""
    with needs_the_extra():
        from kpi.lab.inputs.checked import read_inputs
    return [*read_inputs(study)]


def compute_missing(stored: LabStudy, study: Study, *, processes: int, tell: Tell) -> None:
    """Compute the cells that nobody has, each stored as soon as it is done.

    No more processes are started than cells are missing. What is at work when this ends is queued
    again, unless the process is killed. Raises LabNotInstalled before anything is started.
    """
    computer_of(study)
    plans = {plan.key: plan for plan in cells(study)}
    try:
        with Crew(study, min(processes, progress_of(stored).missing)) as crew:
            held: dict[str, LabCell] = {}
            while hand_out(crew, stored, plans, held):
                for answer in crew.answers():
                    keep(held.pop(answer.plan.key), answer, tell)
    except KeyboardInterrupt:
        connection.close()  # it may wait for the answer of a statement that was cut off
        raise
    finally:
        release_cells(worker=this_process())


def hand_out(
    crew: Crew, stored: LabStudy, plans: dict[str, CellPlan], held: dict[str, LabCell]
) -> bool:
    """Give each idle hand a cell while there are some; tell whether any is at work."""
    for hand in crew.idle():
        cell = claim_cell(study=stored, worker=this_process(), near=near(hand))
        if cell is None:
            break
        held[cell.key] = cell
        hand.give(plans[cell.key])
    return bool(held)


def near(hand: Hand) -> Near | None:
    return Near(hand.last.seed, hand.last.variant.name) if hand.last else None


def keep(cell: LabCell, answer: Answer, tell: Tell) -> None:
    """Store what became of a cell."""
    if answer.error:
        fail_cell(cell=cell, error=answer.error)
    else:
        finish_cell(cell=cell, result=answer.result)
    tell(cell, answer.error)


def conclude(stored: LabStudy, study: Study) -> None:
    """Store the answer that the finished cells give, and the manifest. Raises LabNotInstalled."""
    with needs_the_extra():
        from kpi.lab.inputs.manifest import manifest
    store_answer(
        study=stored,
        comparison=compare(study, results_of(stored)),
        manifest=manifest(study, digests_of(stored)),
    )
