"""What the console shows of a study: its cells, its comparison, and its policies."""

from collections.abc import Sequence
from typing import Any, Final

from django.urls import reverse

from kpi.lab.answers.findings import Findings
from kpi.lab.cells.metrics import ASKED_FIRST, METRICS
from kpi.lab.heat_map import heat_map
from kpi.lab.models import LabStudy
from kpi.lab.panels import Series, counted, panels_of
from kpi.lab.policies import Change, changes_of
from kpi.lab.selectors import answer_of, places_of, progress_of, series_of
from market.kernel.console.panels import Panel
from risk.selectors import policy_in_force

#: A page lists so many cells; the API has all of them.
MOST_CELLS: Final = 200
DEFAULT_METRIC: Final = ASKED_FIRST[0]
WAITING: Final = "Nothing to compare yet: it is made once the cells are done."


def study_context(study: LabStudy) -> dict[str, Any]:
    """Return what the page of a study shows besides its fields."""
    progress = progress_of(study)
    places = list(places_of(study).defer("cell__series", "cell__metrics")[:MOST_CELLS])
    return {
        "answer": answer_of(study),
        "progress": progress,
        "share": round(100 * progress.done / progress.total) if progress.total else 0,
        "places": places,
        "more": study.places.count() - len(places),
        "csv": reverse("lab-cells", args=[study.pk]),
    }


def comparison_context(study: LabStudy, *, metric: str) -> dict[str, Any]:
    """Return what the page of a comparison shows; ``metric`` is one of ASKED_FIRST or not."""
    shown = METRICS[metric if metric in ASKED_FIRST else DEFAULT_METRIC]
    findings = Findings(study.comparison) if study.comparison else None
    panels = list(panels_of(findings, first_series(study, findings), shown)) if findings else []
    return {
        "study": study,
        "progress": progress_of(study),
        "answer": answer_of(study) or WAITING,
        "offered": [METRICS[name] for name in ASKED_FIRST],
        "metric": shown,
        "panels": panels,
        "charts": {panel.key: panel.chart for panel in panels if panel.chart},
        "heat_map": heat_map(study, findings, shown) if findings else None,
        "policies": policies_panel(study),
    }


def first_series(study: LabStudy, findings: Findings) -> Series:
    """Return the courses of each policy with the first seed's population."""
    return series_of(study, seed=findings.comparison["seeds"][0], variant=findings.main)


def policies_panel(study: LabStudy) -> Panel:
    """Show what each policy would change of the one that is in force."""
    present = policy_in_force()
    return Panel(
        "policies",
        "Policies",
        "held against the policy in force",
        "What putting a policy in force would change now.",
        ("Policy", "Looks every", "Digest", "Would change"),
        [
            (
                facts["name"],
                counted(facts["cadence"], "step"),
                facts["digest"][:12],
                described(changes_of(study, facts["name"], present)),
            )
            for facts in study.policies
        ],
    )


def described(changes: Sequence[Change]) -> str:
    """Say some changes of a policy in one line."""
    said = (f"{one.field} {one.before} → {one.after}" for one in changes)
    return "; ".join(said) or "nothing, it is as in force"
