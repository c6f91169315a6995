"""The heat map of a study whose policies are a grid of two fields."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from kpi.lab.answers.findings import Findings, figure
from kpi.lab.cells.metrics import Metric
from kpi.lab.models import LabStudy
from kpi.lab.policies import policy_names, policy_of, values_of
from risk.policy import TIERS


@dataclass(frozen=True, slots=True)
class HeatMap:
    """A metric by two fields that the policies of a grid differ in; shades from 0 to 100."""

    title: str
    unit: str
    across: str
    down: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[tuple[str, int]]]]


def heat_map(study: LabStudy, findings: Findings, metric: Metric) -> HeatMap | None:
    """Return the heat map of a study whose policies are a grid of two fields; else None."""
    values = {name: fields_of(study, name) for name in policy_names(study)}
    keys = [
        key for key in next(iter(values.values())) if len({v[key] for v in values.values()}) > 1
    ]
    if len(keys) != 2:
        return None
    down, across = keys
    at = {(v[down], v[across]): findings.mean(metric.name, name) for name, v in values.items()}
    rows = list(dict.fromkeys(place[0] for place in at))
    columns = list(dict.fromkeys(place[1] for place in at))
    if len(at) < len(values) or len(at) != len(rows) * len(columns):
        return None
    found = [mean for mean in at.values() if mean is not None] or [Decimal(0)]
    low, span = min(found), (max(found) - min(found)) or Decimal(1)

    def cell(row: str, column: str) -> tuple[str, int]:
        mean = at[row, column]
        return figure(mean, metric.unit), shade(mean, low, span)

    return HeatMap(
        f"{metric.title} by {down} and {across}",
        metric.unit,
        across,
        down,
        columns,
        [(row, [cell(row, column) for column in columns]) for row in rows],
    )


def shade(mean: Decimal | None, low: Decimal, span: Decimal) -> int:
    return 0 if mean is None else round(100 * (mean - low) / span)


def fields_of(study: LabStudy, name: str) -> dict[str, str]:
    """Return what policies of a study may differ in; leverage of all tiers is one field."""
    policy, facts = policy_of(study, name), {one["name"]: one for one in study.policies}
    highest = dict(policy.max_leverage)
    leverage = "/".join(str(highest[tier]) for tier in TIERS)
    rest = {k: v for k, v in values_of(policy).items() if not k.startswith("max_leverage")}
    return {"max_leverage": leverage, **rest, "cadence": str(facts[name]["cadence"])}
