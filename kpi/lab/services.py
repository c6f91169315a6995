"""What is written of the lab: studies, claims of cells, their results."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from accounts.models import User
from kpi.lab.claims import LASTS, is_gone
from kpi.lab.errors import LabError
from kpi.lab.inputs.specs import CellPlan, LabPolicy, Study
from kpi.lab.models import CellState, LabCell, LabStudy, LabStudyCell

#: Of an error, which may be a whole traceback, its end is kept.
LONGEST_ERROR: Final = 4_000
#: As long as the columns of names.
LONGEST_NAME: Final = 200


class ResultDiffers(LabError):
    code = "lab_result_differs"
    detail = "A cell was computed twice with two results: it does not repeat, or its key lacks what"
    " determines it. The first result stays."


@dataclass(frozen=True, slots=True)
class Near:
    """Whose tape and population a worker has at hand."""

    seed: int
    variant: str


@transaction.atomic
def store_study(*, study: Study, plans: Sequence[CellPlan], by: User | None = None) -> LabStudy:
    """Keep a study and queue those of its cells that nobody has computed yet.

    The study of a digest is kept once. Where its cells have other keys than before, since a rule
    changed, it has those from now on, and its comparison is made anew. Raises LabError.
    """
    must_fit(study)
    stored, _ = LabStudy.objects.get_or_create(
        digest=study.digest,
        defaults={
            "name": study.name,
            "question": study.question,
            "canonical": study.canonical,
            "baseline": study.baseline,
            "policies": [policy_facts(policy) for policy in study.policies],
            "created_at": timezone.now(),
            "created_by": by,
        },
    )
    LabStudy.objects.filter(pk=stored.pk).update(
        source=study.source, path=study.file, tapes=dict(study.overrides)
    )
    place_cells(stored, plans)
    stored.refresh_from_db()
    return stored


def must_fit(study: Study) -> None:
    """Refuse names that no column holds. Raises LabError."""
    names = [one.name for one in study.policies], [one.name for one in study.variants]
    for name in (study.name, *names[0], *names[1]):
        if len(name) > LONGEST_NAME:
            raise LabError(f"{name[:40]!r}… is too long: a name has {LONGEST_NAME} characters.")


def policy_facts(policy: LabPolicy) -> dict[str, Any]:
    """Return what is kept of a study's policy."""
    value = policy.policy
    facts = {"canonical": value.canonical, "digest": value.digest, "cadence": policy.cadence}
    return {"name": policy.name, **facts}


def place_cells(stored: LabStudy, plans: Sequence[CellPlan]) -> None:
    """Give a study its cells, in an order in which neighbours share tape and population."""
    order = {policy["name"]: number for number, policy in enumerate(stored.policies)}
    plans = sorted(plans, key=lambda p: (p.variant.name, p.seed, order[p.policy.name]))
    LabCell.objects.bulk_create(
        [
            LabCell(key=p.key, policy=p.policy.name, seed=p.seed, variant=p.variant.name)
            for p in plans
        ],
        ignore_conflicts=True,
    )
    ids = dict(LabCell.objects.filter(key__in={p.key for p in plans}).values_list("key", "id"))
    names = [(p.policy.name, p.seed, p.variant.name) for p in plans]
    asked = dict(zip(names, [ids[p.key] for p in plans], strict=True))
    placed = LabStudyCell.objects.filter(study=stored)
    present = {row[:3]: row[3] for row in placed.values_list("policy", "seed", "variant", "cell")}
    if asked == present:
        return
    placed.delete()
    LabStudyCell.objects.bulk_create(
        LabStudyCell(
            study=stored, policy=policy, seed=seed, variant=variant, cell_id=cell, ordinal=ordinal
        )
        for ordinal, ((policy, seed, variant), cell) in enumerate(asked.items())
    )
    LabStudy.objects.filter(pk=stored.pk).update(comparison=None, manifest=None)


@transaction.atomic
def claim_cell(*, study: LabStudy, worker: str, near: Near | None = None) -> LabCell | None:
    """Claim the next cell of a study for a process; None where there is none to claim.

    First one that shares tape and population with the worker's last, then one with which nobody
    else has just begun. A claim that is too old is no claim.
    """
    beside = LabCell.objects.filter(
        state=CellState.RUNNING, seed=OuterRef("seed"), variant=OuterRef("variant")
    )
    mine = Q(seed=near.seed, variant=near.variant) if near else Q(pk=None)
    free = Q(state=CellState.QUEUED) | Q(
        state=CellState.RUNNING, claimed_at__lt=timezone.now() - LASTS
    )
    cell = (
        LabCell.objects.filter(free, places__study=study)
        .annotate(is_near=Q(mine), is_taken=Exists(beside))
        .order_by(F("is_near").desc(), "is_taken", "places__ordinal")
        .select_for_update(skip_locked=True, of=("self",))
        .defer("metrics", "series")
        .first()
    )
    if cell is None:
        return None
    cell.state, cell.claimed_by, cell.claimed_at = CellState.RUNNING, worker, timezone.now()
    cell.save(update_fields=["state", "claimed_by", "claimed_at"])
    return cell


@transaction.atomic
def finish_cell(*, cell: LabCell, result: Any) -> None:
    """Keep the result of a cell; a second one changes nothing.

    Raises ResultDiffers where the second one is not the first.
    """
    kept = LabCell.objects.select_for_update().only("state", "digest").get(pk=cell.pk)
    if kept.state == CellState.DONE:
        if kept.digest != result.digest:
            raise ResultDiffers(cell=cell.key)
        return
    LabCell.objects.filter(pk=cell.pk).update(
        state=CellState.DONE,
        metrics=result.metrics,
        series=result.series,
        digest=result.digest,
        cpu_seconds=result.cpu_seconds,
        error="",
        finished_at=timezone.now(),
    )


def fail_cell(*, cell: LabCell, error: str) -> None:
    """Note why a cell has no result; it is computed anew when its study is run or resumed."""
    LabCell.objects.filter(pk=cell.pk).exclude(state=CellState.DONE).update(
        state=CellState.FAILED, error=error[-LONGEST_ERROR:], finished_at=timezone.now()
    )


def release_cells(*, worker: str) -> int:
    """Give back what a process has claimed and not finished; returns how many."""
    held = LabCell.objects.filter(state=CellState.RUNNING, claimed_by=worker)
    return held.update(state=CellState.QUEUED, error="")


def requeue_cells(*, study: LabStudy, failed: bool) -> int:
    """Queue anew the cells of processes that are gone, and those that ``failed`` if so asked.

    Returns how many.
    """
    cells = LabCell.objects.filter(places__study=study)
    running = cells.filter(state=CellState.RUNNING).values_list("pk", "claimed_by", "claimed_at")
    oldest = timezone.now() - LASTS
    lost = {
        pk for pk, holder, since in running if since is None or since < oldest or is_gone(holder)
    }
    if failed:
        lost |= set(cells.filter(state=CellState.FAILED).values_list("pk", flat=True))
    return queue(lost)


def queue(cells: Iterable[int]) -> int:
    unfinished = LabCell.objects.filter(pk__in=cells).exclude(state=CellState.DONE)
    return unfinished.update(state=CellState.QUEUED, error="")


def store_answer(
    *, study: LabStudy, comparison: Mapping[str, Any], manifest: Mapping[str, Any]
) -> None:
    """Keep what the finished cells of a study say, and what is needed to repeat it."""
    LabStudy.objects.filter(pk=study.pk).update(comparison=comparison, manifest=manifest)
