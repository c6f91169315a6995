"""What a comparison says, as charts each with the table of its numbers."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from kpi.lab.answers.calibration import PUBLISHED
from kpi.lab.answers.findings import Findings, chance, figure
from kpi.lab.cells.metrics import METRICS, Metric
from market.kernel.console.panels import Panel

Series = Mapping[str, Any]

OF_ONE_SEED: Final = "With the population of seed {}; the table has means over all."


def panels_of(findings: Findings, series: Series, metric: Metric) -> Iterable[Panel]:
    """Return the panels of a comparison; ``series`` are those of its first seed, by policy."""
    yield difference_panel(findings, metric)
    yield range_panel(findings, METRICS["bad_debt"])
    yield fund_panel(findings, series)
    yield liquidation_panel(findings, series)
    yield calibration_panel(findings)


def difference_panel(findings: Findings, metric: Metric) -> Panel:
    """Show how far each policy is from the baseline, with the interval of the mean."""
    unit = metric.difference_unit
    found = (findings.difference(metric.name, policy) for policy in findings.others)
    rows = [one for one in found if one is not None]
    better = {"less": " Less is better.", "more": " More is better."}.get(metric.better, "")
    return Panel(
        "difference",
        f"{metric.title}: difference to {findings.baseline}",
        unit,
        f"{metric.definition}.{better} Means of the differences of pairs that share seed and "
        f"population, on {findings.main}; bars, from and to, hold 95 % of the bootstrapped means. "
        "p: how often random signs give as much; (Holm): adjusted for the number of policies.",
        ("Policy", "Seeds", "Mean", "Median", "From", "To", "p", "p (Holm)"),
        [
            (
                one["policy"],
                str(one["n"]),
                *(figure(one[name], unit) for name in ("mean", "median", "low", "high")),
                *(chance(one[name]) for name in ("p", "p_holm")),
            )
            for one in rows
        ],
        spans(rows, unit, "mean"),
    )


def range_panel(findings: Findings, metric: Metric) -> Panel:
    """Show what the resolution of the candles makes of a metric."""
    found = (findings.range(metric.name, policy) for policy in findings.policies)
    ranges, variants = [one for one in found if one is not None], findings.variants
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
                *(figure(one[name], metric.unit) for name in ("low", "high")),
                *(
                    figure(findings.mean(metric.name, one["policy"], name), metric.unit)
                    for name in variants
                ),
            )
            for one in ranges
        ],
        spans(ranges, metric.unit),
    )


def fund_panel(findings: Findings, series: Series) -> Panel:
    """Show the insurance fund over time, in one population."""
    names = ("fund_end", "fund_minimum", "fund_ran_dry", "fund_ran_dry_at")
    return Panel(
        "fund",
        "Insurance fund",
        "USDT",
        OF_ONE_SEED.format(findings.comparison["seeds"][0]),
        ("Policy", *(METRICS[name].title for name in names)),
        level_rows(findings, names),
        over_time(series, lambda one: one["fund"]),
    )


def liquidation_panel(findings: Findings, series: Series) -> Panel:
    """Show when positions were closed out, in one population."""
    names = ("close_outs", "liquidated_long", "liquidated_short", "cascade_depth")
    return Panel(
        "liquidations",
        "Liquidated notional over time",
        "USDT",
        OF_ONE_SEED.format(findings.comparison["seeds"][0]),
        ("Policy", *(METRICS[name].title for name in names)),
        level_rows(findings, names),
        over_time(
            series,
            lambda one: [
                a + b for a, b in zip(one["liquidated_long"], one["liquidated_short"], strict=True)
            ],
        ),
    )


def calibration_panel(findings: Findings) -> Panel:
    """Hold what the run gave under the baseline against what was published."""
    return Panel(
        "calibration",
        "Calibration",
        f"under {findings.baseline}",
        "How far the made-up population behaves as the market was seen to, in October 2025. Other "
        "tapes have no such figures here.",
        ("Figure", "This study", "Published", "Source"),
        [
            (
                METRICS[one.metric].title,
                figure(findings.mean(one.metric, findings.baseline), "share"),
                one.value,
                one.source,
            )
            for one in PUBLISHED
        ],
    )


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def level_rows(findings: Findings, names: Sequence[str]) -> list[Sequence[str]]:
    """Return the means of some metrics by policy, on the tape's own variant."""
    return [
        (policy, *(figure(findings.mean(name, policy), METRICS[name].unit) for name in names))
        for policy in findings.policies
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


def over_time(series: Series, values: Any) -> Mapping[str, Any]:
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
