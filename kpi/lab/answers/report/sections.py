"""The plots of a report in their order, and those that hold policies to one another."""

from collections.abc import Iterator, Sequence
from typing import Final

from kpi.lab.answers.calibration import PUBLISHED
from kpi.lab.answers.findings import Findings, chance, figure, floats, interval, owed, signed
from kpi.lab.answers.report import plots
from kpi.lab.answers.report.courses import fund, open_interest, prices
from kpi.lab.answers.report.crossed import cadence, grid
from kpi.lab.answers.report.drawing import MOST_LINES
from kpi.lab.answers.report.section import Material, Section
from kpi.lab.cells.metrics import ASKED_FIRST, LAR_MOVES, METRICS
from risk.policy import TIERS

#: The metrics of the answer.
ANSWER: Final = ASKED_FIRST[:4]


def sections(material: Material) -> Iterator[Section]:
    """Yield the sections that there are numbers for."""
    if not material.findings.comparison["levels"]:
        return
    for make in SECTIONS:
        section = make(material)
        if section is not None:
            yield section


def answer(material: Material) -> Section | None:
    findings = material.findings
    rows = [("Metric", "Policy", "Mean difference", "95 % interval", "p (Holm)", "Pairs")]
    panels = {}
    for metric in (METRICS[name] for name in ANSWER):
        found = [findings.difference(metric.name, policy) for policy in findings.others]
        ones = [one for one in found if one is not None]
        bars = {
            one["policy"]: plots.Bar(
                float(one["mean"]), float(one["low"]), float(one["high"]), metric.better
            )
            for one in ones
        }
        if bars:
            panels[metric.title] = (metric.unit, bars)
        rows += [
            (
                metric.title,
                one["policy"],
                signed(one["mean"], metric.unit),
                interval(one),
                chance(one["p_holm"]),
                str(one["n"]),
            )
            for one in ones
        ]
    if not panels:
        return None
    return Section(
        f"What each policy would have changed against {findings.baseline}",
        "A point is the mean difference over the seeds, its line the 95 % interval. Blue harms less"
        " than the baseline, orange more; a grey diamond cannot be told from no difference.",
        plots.differences(panels),
        f"Mean differences to {findings.baseline} with intervals, by metric and policy.",
        rows,
    )


def resolution(material: Material) -> Section:
    """Bad debt is never shown without its range."""
    findings = material.findings
    points = {
        policy: floats(findings.mean("shortfall", policy, v) for v in findings.variants)
        for policy in findings.policies
    }
    head = (
        "Policy",
        *(f"{v}: shortfall / bad debt" for v in findings.variants),
        "Shortfall, range",
    )
    several = len(findings.variants) > 1
    return Section(
        "Shortfall, by the resolution of the candles",
        "What others had to pay, the insurance fund first. Candles do not say how prices moved"
        " within a bar, and a coarse path jumps over the levels at which accounts would have been"
        " closed out: read the range, not a point."
        + ("" if several else " This study has one resolution only; [[variant]] adds others."),
        plots.spans(points, findings.variants, "Mean shortfall, USDT"),
        "Mean shortfall of each policy by resolution of the candles.",
        [head, *(_resolution_row(findings, policy) for policy in findings.policies)],
    )


def _resolution_row(findings: Findings, policy: str) -> Sequence[str]:
    cells = (owed(findings, policy, variant) for variant in findings.variants)
    found = findings.range("shortfall", policy)
    ends = (found["low"], found["high"]) if found else (None, None)
    return policy, *cells, " to ".join(figure(end, "USDT") for end in ends)


def liquidity(material: Material) -> Section:
    findings = material.findings
    shown = findings.policies[:MOST_LINES]
    lines = {
        policy: floats(findings.mean(f"lar_{move}", policy) for move in LAR_MOVES)
        for policy in shown
    }
    head = ("Policy", *(f"{move} %" for move in LAR_MOVES))
    return Section(
        "Liquidity at risk",
        "How much would be closed out if all marks moved at once, at the worst of the sampled"
        " times; the mean over the seeds.",
        plots.curve(LAR_MOVES, lines, "Move of all marks, %", "Notional in breach, USDT"),
        "Notional that a move of all marks by 1 to 10 % would close out, by policy.",
        [
            head,
            *(
                (p, *(figure(findings.mean(f"lar_{m}", p), "USDT") for m in LAR_MOVES))
                for p in findings.policies
            ),
        ],
    )


def who(material: Material) -> Section:
    findings = material.findings
    shown = findings.policies[:MOST_LINES]
    panels = {}
    for name in ("accounts_closed_out", "traders_loss"):
        found = {
            policy: floats(findings.mean(f"{name}_{tier}", policy) for tier in TIERS)
            for policy in shown
        }
        panels[METRICS[name].title] = (METRICS[name].unit, found)
    names = [f"{name}_{tier}" for name in ("accounts_closed_out", "traders_loss") for tier in TIERS]
    return Section(
        "Who is hit",
        "Accounts closed out at least once, and what accounts lost over the tape, by tier; a loss"
        " below 0 is a gain.",
        plots.groups(panels, TIERS),
        "Accounts closed out and traders' losses, by tier and policy.",
        [
            ("Policy", *(METRICS[name].title for name in names)),
            *(
                (p, *(figure(findings.mean(name, p), METRICS[name].unit) for name in names))
                for p in findings.policies
            ),
        ],
    )


def calibration(material: Material) -> Section:
    findings = material.findings
    found = {one: findings.mean(one.metric, findings.baseline) for one in PUBLISHED}
    rows = [("Figure", "This run", "Published", "Of what")]
    rows += [
        (METRICS[one.metric].title, figure(value, "share"), one.value, one.source)
        for one, value in found.items()
    ]
    return Section(
        "Calibration",
        f"What the baseline {findings.baseline} gave beside figures published of the crash of"
        " October 2025. On another tape they need not agree; on that one they say how far this"
        " made-up population acts like the real one.",
        plots.bands(
            {
                METRICS[one.metric].title: (
                    None if value is None else float(value),
                    float(one.low),
                    float(one.high),
                )
                for one, value in found.items()
            }
        ),
        "Shares that the run gave beside published ranges.",
        rows,
    )


SECTIONS: Final = (
    answer, resolution, prices, fund, open_interest, liquidity, grid, cadence, who, calibration,
)  # fmt: skip
