"""What is read of the lab: studies with their progress, cells, results."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Count, FloatField, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from kpi.lab.answers.answer import answer_sentence
from kpi.lab.models import CellState, LabCell, LabStudy, LabStudyCell
from market.kernel.errors import NotFound

#: A digest is named by its beginning, of this length at least.
SHORTEST_DIGEST: Final = 6


@dataclass(frozen=True, slots=True)
class Progress:
    """How many cells of a study are in which state, and the processor seconds of the done."""

    queued: int
    running: int
    done: int
    failed: int
    cpu_seconds: float

    @property
    def total(self) -> int:
        return self.queued + self.running + self.done + self.failed

    @property
    def missing(self) -> int:
        return self.total - self.done

    @property
    def state(self) -> str:
        """One word for all of them: done, failed, running or queued."""
        if self.total == self.done:
            return "done"
        if self.running:
            return "running"
        return "failed" if self.failed else "queued"


def counts() -> dict[str, Any]:
    """Return the aggregates of ``Progress`` over cells."""
    by_state = {
        state.value: Count("pk", filter=Q(state=state), distinct=True) for state in CellState
    }
    seconds = Coalesce(Sum("cpu_seconds"), 0.0, output_field=FloatField())
    return {**by_state, "cpu_seconds": seconds}


def progress_of(study: LabStudy) -> Progress:
    """Return how far a study is; a cell that two of its policies share counts once."""
    cells = LabCell.objects.filter(pk__in=study.places.values("cell"))
    return Progress(**cells.aggregate(**counts()))


def with_counts(studies: QuerySet[LabStudy]) -> QuerySet[LabStudy]:
    """Annotate studies with what ``progress_in`` reads, so that lists sort and page by it."""
    by_state = {
        f"cells_{state.value}": Count(
            "places__cell", filter=Q(places__cell__state=state), distinct=True
        )
        for state in CellState
    }
    return studies.annotate(**by_state)


def progress_in(study: Any) -> Progress:
    """Return how far a study of ``with_counts`` is; the processor seconds are not asked for."""
    by_state = {state.value: getattr(study, f"cells_{state.value}") for state in CellState}
    return Progress(**by_state, cpu_seconds=0.0)


def progress_by_study(studies: list[LabStudy]) -> dict[int, Progress]:
    """Return how far each of some studies is, in one statement."""
    places = LabStudyCell.objects.filter(study__in=studies).order_by()
    by_state = {
        state.value: Count("cell", filter=Q(cell__state=state), distinct=True)
        for state in CellState
    }
    rows: Any = places.values("study").annotate(**by_state)
    found = {row.pop("study"): Progress(**row, cpu_seconds=0.0) for row in rows}
    return {study.pk: found.get(study.pk, Progress(0, 0, 0, 0, 0.0)) for study in studies}


def get_study(*, study_id: int) -> LabStudy:
    """Return a study. Raises NotFound."""
    study = LabStudy.objects.filter(pk=study_id).first()
    if study is None:
        raise NotFound("There is no such study.")
    return study


def find_study(*, named: str) -> LabStudy:
    """Return the study of a number, a digest's beginning, or a name, of which the latest.

    Raises NotFound.
    """
    found = LabStudy.objects.filter(name=named)
    if named.isdecimal() and named.isascii() and len(named) < 19:
        found = found | LabStudy.objects.filter(pk=int(named))
    if len(named) >= SHORTEST_DIGEST:
        found = found | LabStudy.objects.filter(digest__startswith=named.lower())
    study = found.order_by("-id").first()
    if study is None:
        raise NotFound(f"There is no study {named!r}. lab list names those that there are.")
    return study


def answer_of(study: LabStudy) -> str | None:
    """Return what a study says in one sentence; None before there is a comparison."""
    return None if study.comparison is None else answer_sentence(study.comparison)


def places_of(study: LabStudy) -> QuerySet[LabStudyCell]:
    """Return the cells of a study in their order, without their series, which are large."""
    rows = LabStudyCell.objects.filter(study=study).select_related("cell")
    return rows.defer("cell__series").order_by("ordinal")


Results = Mapping[tuple[str, int, str], Mapping[str, Any]]


def results_of(study: LabStudy) -> Results:
    """Return the metrics of the finished cells, by policy, seed and variant."""
    done = places_of(study).filter(cell__state=CellState.DONE)
    rows = done.values_list("policy", "seed", "variant", "cell__metrics")
    return {(policy, seed, variant): metrics or {} for policy, seed, variant, metrics in rows}


def series_of(study: LabStudy, *, seed: int, variant: str) -> Mapping[str, Mapping[str, Any]]:
    """Return the series of the finished cells of a seed and a variant, by policy."""
    done = LabStudyCell.objects.filter(
        study=study, seed=seed, variant=variant, cell__state=CellState.DONE
    )
    rows = done.order_by("ordinal").values_list("policy", "cell__series")
    return {policy: series or {} for policy, series in rows}


def digests_of(study: LabStudy) -> Mapping[str, str]:
    """Return the digest of each finished cell, by the cell's key."""
    done = study.places.filter(cell__state=CellState.DONE)
    return dict(done.values_list("cell__key", "cell__digest"))


def failed_cells(study: LabStudy) -> list[LabCell]:
    """Return the cells of a study that failed, in order."""
    failed = places_of(study).filter(cell__state=CellState.FAILED)
    return [place.cell for place in failed.defer("cell__series", "cell__metrics")]
