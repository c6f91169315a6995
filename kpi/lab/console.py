"""What the console shows of a study: its cells, and what it says as charts with their numbers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from django.urls import reverse

from kpi.lab.answers.calibration import PUBLISHED
from kpi.lab.cells.metrics import METRICS, Metric
from kpi.lab.models import LabStudy
from kpi.lab.policies import Change, changes_of, policy_names, policy_of, values_of
from kpi.lab.selectors import answer_of, places_of, progress_of, series_of
from market.kernel.amounts import EXACT
from market.kernel.console.figures import NOTHING, grouped, rounded
from risk.policy import TIERS
from risk.selectors import policy_in_force

#: A page lists so many cells; the API has all of them.
MOST_CELLS: Final = 200
DEFAULT_METRIC: Final = "liquidated_notional"
#: What is offered to be compared; the API and the report have every metric.
OFFERED: Final = (
    *("liquidated_notional", "accounts_closed_out", "shortfall", "bad_debt", "fund_end"),
    *("exposure_peak", "open_interest_peak", "leverage_p95", "lar_3", "traders_loss"),
    *("lost_before_recovery", "refused", "volume"),
)
WAITING: Final = "Nothing to compare yet: it is made once the cells are done."


@dataclass(frozen=True, slots=True)
class Panel:
    """A chart with the table of its numbers and a sentence; without a chart the table says all."""

    key: str
    title: str
    unit: str
    sentence: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    chart: Mapping[str, Any] | None = None


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
    """Return what the page of a comparison shows; ``metric`` is one of OFFERED, or the default."""
    shown = METRICS[metric if metric in OFFERED else DEFAULT_METRIC]
    panels = list(panels_of(study, study.comparison, shown)) if study.comparison else []
    return {
        "study": study,
        "progress": progress_of(study),
        "answer": answer_of(study) or WAITING,
        "offered": [METRICS[name] for name in OFFERED],
        "metric": shown,
        "panels": panels,
        "charts": {panel.key: panel.chart for panel in panels if panel.chart},
        "heat_map": heat_map(study, study.comparison, shown) if study.comparison else None,
        "policies": policies_panel(study),
    }


def panels_of(study: LabStudy, comparison: Any, metric: Metric) -> Iterable[Panel]:
    yield difference_panel(comparison, metric)
    yield range_panel(comparison, METRICS["bad_debt"])
    series = series_of(study, seed=comparison["seeds"][0], variant=comparison["variants"][0])
    yield fund_panel(comparison, series)
    yield liquidation_panel(comparison, series)
    yield calibration_panel(comparison)


def difference_panel(comparison: Any, metric: Metric) -> Panel:
    """Show how far each policy is from the baseline, with the interval of the mean."""
    main, unit = comparison["variants"][0], metric.difference_unit
    rows = [
        one
        for one in comparison["differences"]
        if one["metric"] == metric.name and one["variant"] == main
    ]
    better = {"less": " Less is better.", "more": " More is better."}.get(metric.better, "")
    return Panel(
        "difference",
        f"{metric.title}: difference to {comparison['baseline']}",
        unit,
        f"{metric.definition}.{better} Means of the differences of pairs that share seed and "
        f"population, on {main}; bars, from and to, hold 95 % of the bootstrapped means. p: how "
        "often random signs give as much; (Holm): adjusted for the number of policies.",
        ("Policy", "Seeds", "Mean", "Median", "From", "To", "p", "p (Holm)"),
        [
            (
                one["policy"],
                str(one["n"]),
                *(said(one[name], unit) for name in ("mean", "median", "low", "high")),
                *(said(one[name], "p") for name in ("p", "p_holm")),
            )
            for one in rows
        ],
        spans(rows, unit, "mean"),
    )


def range_panel(comparison: Any, metric: Metric) -> Panel:
    """Show what the resolution of the candles makes of a metric."""
    ranges = [one for one in comparison["ranges"] if one["metric"] == metric.name]
    variants = comparison["variants"]
    means = {(one["policy"], one["variant"]): one["mean"] for one in of_metric(comparison, metric)}
    return Panel(
        "range",
        f"{metric.title} by the resolution of the candles",
        metric.unit,
        f"{metric.definition}: the mean over seeds, from the least to the largest of "
        f"{counted(len(variants), 'variant')} of the tape. A single figure would be an artefact of "
        "one.",
        ("Policy", "From", "To", *variants),
        [
            (
                one["policy"],
                *(said(one[name], metric.unit) for name in ("low", "high")),
                *(said(means.get((one["policy"], name)), metric.unit) for name in variants),
            )
            for one in ranges
        ],
        spans(ranges, metric.unit),
    )


def fund_panel(comparison: Any, series: Mapping[str, Any]) -> Panel:
    """Show the insurance fund over time, in one population."""
    names = ("fund_end", "fund_minimum", "fund_ran_dry", "fund_ran_dry_at")
    return Panel(
        "fund",
        "Insurance fund",
        "USDT",
        f"With the population of seed {comparison['seeds'][0]}; the table has means over all.",
        ("Policy", *(METRICS[name].title for name in names)),
        level_rows(comparison, names),
        over_time(series, lambda one: one["fund"]),
    )


def liquidation_panel(comparison: Any, series: Mapping[str, Any]) -> Panel:
    """Show when positions were closed out, in one population."""
    names = ("close_outs", "liquidated_long", "liquidated_short", "cascade_depth")
    return Panel(
        "liquidations",
        "Liquidated notional over time",
        "USDT",
        f"With the population of seed {comparison['seeds'][0]}; the table has means over all.",
        ("Policy", *(METRICS[name].title for name in names)),
        level_rows(comparison, names),
        over_time(
            series,
            lambda one: [
                a + b for a, b in zip(one["liquidated_long"], one["liquidated_short"], strict=True)
            ],
        ),
    )


def calibration_panel(comparison: Any) -> Panel:
    """Hold what the run gave under the baseline against what was published."""
    found = {
        one["metric"]: one
        for one in comparison["levels"]
        if one["policy"] == comparison["baseline"] and one["variant"] == comparison["variants"][0]
    }
    return Panel(
        "calibration",
        "Calibration",
        f"under {comparison['baseline']}",
        "How far the made-up population behaves as the market was seen to, in October 2025. Other "
        "tapes have no such figures here.",
        ("Figure", "This study", "Published", "Source"),
        [
            (
                METRICS[one.metric].title,
                said(found[one.metric]["mean"] if one.metric in found else None, "share"),
                one.value,
                one.source,
            )
            for one in PUBLISHED
        ],
    )


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


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def described(changes: Sequence[Change]) -> str:
    """Say some changes of a policy in one line."""
    said = (f"{one.field} {one.before} → {one.after}" for one in changes)
    return "; ".join(said) or "nothing, it is as in force"


@dataclass(frozen=True, slots=True)
class HeatMap:
    """A metric by two fields that the policies of a grid differ in; shades from 0 to 100."""

    title: str
    unit: str
    across: str
    down: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[tuple[str, int]]]]


def heat_map(study: LabStudy, comparison: Any, metric: Metric) -> HeatMap | None:
    """Return the heat map of a study whose policies are a grid of two fields; else None."""
    values = {name: fields_of(study, name) for name in policy_names(study)}
    keys = [
        key for key in next(iter(values.values())) if len({v[key] for v in values.values()}) > 1
    ]
    if len(keys) != 2:
        return None
    down, across = keys
    main = comparison["variants"][0]
    means = {
        one["policy"]: one["mean"]
        for one in of_metric(comparison, metric)
        if one["variant"] == main
    }
    at = {(v[down], v[across]): means.get(name) for name, v in values.items()}
    rows = list(dict.fromkeys(place[0] for place in at))
    columns = list(dict.fromkeys(place[1] for place in at))
    if len(at) < len(values) or len(at) != len(rows) * len(columns):
        return None
    found = [Decimal(mean) for mean in at.values() if mean is not None] or [Decimal(0)]
    low, span = min(found), (max(found) - min(found)) or Decimal(1)

    def cell(row: str, column: str) -> tuple[str, int]:
        mean = at[row, column]
        return said(mean, metric.unit), shade(mean, low, span)

    return HeatMap(
        f"{metric.title} by {down} and {across}",
        metric.unit,
        across,
        down,
        columns,
        [(row, [cell(row, column) for column in columns]) for row in rows],
    )


def shade(mean: str | None, low: Decimal, span: Decimal) -> int:
    return 0 if mean is None else round(100 * (Decimal(mean) - low) / span)


def fields_of(study: LabStudy, name: str) -> dict[str, str]:
    """Return what policies of a study may differ in; leverage of all tiers is one field."""
    policy, facts = policy_of(study, name), {one["name"]: one for one in study.policies}
    highest = dict(policy.max_leverage)
    leverage = "/".join(str(highest[tier]) for tier in TIERS)
    rest = {k: v for k, v in values_of(policy).items() if not k.startswith("max_leverage")}
    return {"max_leverage": leverage, **rest, "cadence": str(facts[name]["cadence"])}


def of_metric(comparison: Any, metric: Metric) -> list[Any]:
    """Return the levels of a metric: of each policy on each variant."""
    return [one for one in comparison["levels"] if one["metric"] == metric.name]


def level_rows(comparison: Any, names: Sequence[str]) -> list[Sequence[str]]:
    """Return the means of some metrics by policy, on the tape's own variant."""
    main = comparison["variants"][0]
    means = {
        (one["policy"], one["metric"]): one["mean"]
        for one in comparison["levels"]
        if one["variant"] == main
    }
    return [
        (policy, *(said(means.get((policy, name)), METRICS[name].unit) for name in names))
        for policy in comparison["policies"]
    ]


def spans(rows: Sequence[Any], unit: str, middle: str = "") -> Mapping[str, Any]:
    """Return a chart of a bar from ``low`` to ``high`` for each policy, with a point on it."""
    return {
        "kind": "spans",
        "unit": unit,
        "labels": [one["policy"] for one in rows],
        "spans": [[float(one["low"]), float(one["high"])] for one in rows],
        "points": [float(one[middle]) for one in rows] if middle else [],
    }


def over_time(series: Mapping[str, Any], values: Any) -> Mapping[str, Any]:
    """Return a chart of a line for each policy."""
    lines = [
        {
            "label": policy,
            "points": [[1000 * at, v] for at, v in zip(one["time"], values(one), strict=True)],
        }
        for policy, one in series.items()
        if one
    ]
    return {"kind": "time", "unit": "USDT", "lines": lines}


def said(value: str | None, unit: str) -> str:
    """Write a figure of a comparison as people read it."""
    if value is None:
        return NOTHING
    number = Decimal(value)
    match unit:
        case "share":
            return f"{number:.1%}"
        case "USDT":
            return rounded(number)
        case "UTC":
            return f"{datetime.fromtimestamp(int(number), UTC):%Y-%m-%d %H:%M}"
        case "p":
            return f"{number:.4f}"
        case _:
            return grouped(number.quantize(Decimal("0.01"), context=EXACT))
