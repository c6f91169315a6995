"""The plots of a report over time: prices and close-outs, the fund, open interest."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from kpi.lab.answers.findings import moment
from kpi.lab.answers.report import plots
from kpi.lab.answers.report.drawing import MOST_LINES
from kpi.lab.answers.report.section import Material, Section, Table

#: Rows of a table beside lines over time.
SPANS: Final = 24


def prices(material: Material) -> Section | None:
    return _course(
        material,
        "Prices, and what was liquidated",
        "Above, prices in percent of the first one; below, the notional that close-outs closed.",
        {"Liquidated notional": lambda one: _sum(one["liquidated_long"], one["liquidated_short"])},
        with_prices=True,
        summed=True,
    )


def fund(material: Material) -> Section | None:
    return _course(
        material,
        "Insurance fund",
        "What the fund holds. It pays what closed-out accounts cannot; at 0 the rest is bad debt.",
        {"Insurance fund": lambda one: one["fund"]},
    )


def open_interest(material: Material) -> Section | None:
    return _course(
        material,
        "Open interest by side",
        "What accounts hold at its mark, long and short. The house is the other side of both.",
        {"Long": lambda one: one["long"], "Short": lambda one: one["short"]},
    )


def _course(
    material: Material,
    title: str,
    says: str,
    values: Mapping[str, Callable[[Mapping[str, Any]], Sequence[float]]],
    *,
    with_prices: bool = False,
    summed: bool = False,
) -> Section | None:
    """Draw policies over time, of the first seed; a table sums their values up by span, or not."""
    found = {p: material.series[p] for p in material.findings.policies if p in material.series}
    shown = dict(list(found.items())[:MOST_LINES])
    if not shown:
        return None
    first = next(iter(shown.values()))
    lines = {name: {p: read(one) for p, one in shown.items()} for name, read in values.items()}
    panels: list[tuple[str, str, plots.Lines]] = []
    if with_prices:
        panels.append(("Prices", "% of the first", _indexed(first["price"])))
    panels += [("" if name == title else name, "USDT", each) for name, each in lines.items()]
    few = f" The first {MOST_LINES} policies." if len(found) > len(shown) else ""
    return Section(
        title,
        f"{says} Seed {material.study.seeds[0]}, {material.findings.main}.{few}",
        plots.courses(first["time"], panels),
        f"{title}, over time by policy.",
        _course_table(first["time"], lines, summed=summed),
    )


def _course_table(times: Sequence[int], lines: Mapping[str, plots.Lines], *, summed: bool) -> Table:
    several = len(lines) > 1
    names = [f"{name}: {policy}" if several else policy for name in lines for policy in lines[name]]
    columns = [values for found in lines.values() for values in found.values()]
    step = -(-len(times) // SPANS)
    rows = []
    for start in range(0, len(times), step):
        end = min(start + step, len(times))
        cells = (sum(one[start:end]) if summed else one[end - 1] for one in columns)
        rows.append((moment(times[start]), *(f"{cell:,.0f}" for cell in cells)))
    return [("From (UTC)", *names), *rows]


def _sum(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    return [a + b for a, b in zip(ours, theirs, strict=True)]


def _indexed(prices: Mapping[str, Sequence[str]]) -> dict[str, list[float]]:
    """Return prices in percent of the first one."""
    return {
        symbol: [100 * float(one) / float(found[0]) for one in found]
        for symbol, found in prices.items()
    }
