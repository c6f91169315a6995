"""What the command ``lab`` says of studies: their shape, how far they are, what was found."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from tqdm import tqdm

from kpi.lab.answers.findings import Findings, chance, figure
from kpi.lab.answers.report import report
from kpi.lab.cells.metrics import ASKED_FIRST, METRICS
from kpi.lab.inputs.specs import Study
from kpi.lab.models import LabStudy
from kpi.lab.selectors import Progress, failed_cells, progress_of, results_of, series_of


def shape(study: Study) -> str:
    counts = (study.policies, study.seeds, study.variants)
    names = ("policy", "policies"), ("seed", "seeds"), ("variant", "variants")
    return " × ".join(
        f"{len(some)} {one if len(some) == 1 else many}"
        for some, (one, many) in zip(counts, names, strict=True)
    )


def bar(before: Progress) -> Any:
    """Return a bar with an estimate of what is left; none where nobody looks."""
    return tqdm(total=before.missing, unit="cell", disable=None)


def done(now: Progress, before: Progress, shown: Any) -> int:
    """Return how many cells were done or failed since the bar was moved last."""
    return now.done + now.failed - before.done - int(shown.n)


def first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def last_line(error: str) -> str:
    return error.strip().splitlines()[-1] if error.strip() else ""


def left(stored: LabStudy, why: str) -> str:
    now = progress_of(stored)
    rest = f"lab resume {stored.pk} computes the rest."
    return f"{why}: {now.done:,} of {now.total:,} cells are done. {rest}"


def must_be_done(stored: LabStudy, now: Progress) -> None:
    """Raise CommandError where a cell failed or is not done."""
    if now.failed:
        cell = failed_cells(stored)[0]
        raise CommandError(f"{now.failed:,} cells failed; {cell}: {last_line(cell.error)}")
    if now.missing:
        raise CommandError(left(stored, "Others are still at it"))


def lines_of(comparison: Any) -> Iterator[str]:
    """Yield what the lines say, then one for each metric that people ask for first and policy."""
    findings = Findings(comparison)
    yield (
        f"Mean differences to {findings.baseline} [95 % interval], p (Holm); "
        f"prices read as: {findings.main}."
    )
    for metric, policy in product(map(METRICS.__getitem__, ASKED_FIRST), findings.others):
        if one := findings.difference(metric.name, policy):
            unit = metric.difference_unit
            mean, low, high = (figure(one[name], unit) for name in ("mean", "low", "high"))
            title = f"{metric.title} ({metric.unit})"
            yield f"{title:<34} {policy:<16} {mean} [{low}, {high}]  p {chance(one['p_holm'])}"


def write_files(stored: LabStudy, asked: Study, out: Path) -> list[Path]:
    """Write the report and the tables of a study that is concluded; return their paths."""
    answer: Any = stored.comparison
    series = series_of(stored, seed=asked.seeds[0], variant=asked.variants[0].name)
    return report(asked, results_of(stored), answer, stored.manifest or {}, out, series=series)
