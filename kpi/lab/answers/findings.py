"""What a comparison holds, looked up by metric, policy and variant, and written for people."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from kpi.lab.answers.compare import Comparison, Difference, Level, Range
from kpi.lab.cells.metrics import METRICS

NOTHING: Final = "–"


class Findings:
    """A comparison; ``policies`` begin with the baseline, ``main`` is the tape's own variant."""

    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison
        self.baseline = comparison["baseline"]
        self.others = [one for one in comparison["policies"] if one != self.baseline]
        self.policies = [self.baseline, *self.others]
        self.variants, self.main = comparison["variants"], comparison["variants"][0]
        self._levels = _by_place(comparison["levels"])
        self._differences = _by_place(comparison["differences"])
        self._ranges = {(one["metric"], one["policy"]): one for one in comparison["ranges"]}

    def level(self, metric: str, policy: str, variant: str = "") -> Level | None:
        return self._levels.get((metric, policy, variant or self.main))

    def mean(self, metric: str, policy: str, variant: str = "") -> Decimal | None:
        found = self.level(metric, policy, variant)
        return None if found is None else Decimal(found["mean"])

    def difference(self, metric: str, policy: str, variant: str = "") -> Difference | None:
        return self._differences.get((metric, policy, variant or self.main))

    def range(self, metric: str, policy: str) -> Range | None:
        return self._ranges.get((metric, policy))


def _by_place(rows: Sequence[Any]) -> dict[tuple[str, str, str], Any]:
    return {(one["metric"], one["policy"], one["variant"]): one for one in rows}


def figure(value: Decimal | str | int | None, unit: str) -> str:
    """Write a figure for a table: large amounts without cents, shares in percent, times in UTC.

    All digits stand in the files beside the report.
    """
    if value is None:
        return NOTHING
    value = Decimal(value)
    if unit == "UTC":
        return moment(int(value))
    if unit == "share":
        return f"{_number(100 * value, 2)} %"
    if not value or (unit in ("count", "s") and value == int(value)):
        return _number(value, 0)
    places = 0 if abs(value) >= 10_000 else 1 if unit == "count" else 2
    return f"{_number(value, places)}{f' {unit}' if unit in ('%', 'x', 's') else ''}"


def owed(findings: Findings, policy: str, variant: str) -> str:
    """Write what others had to pay, and of that the bad debt."""
    means = (findings.mean(metric, policy, variant) for metric in ("shortfall", "bad_debt"))
    return " / ".join(figure(mean, "USDT") for mean in means)


def chance(p: str) -> str:
    """Write how likely a difference is by chance alone."""
    return f"{Decimal(p):.4f}"


def signed(value: Decimal | str, unit: str) -> str:
    """Write a difference, which says its sign unless it is 0."""
    sign = "+" if Decimal(value) > 0 else ""
    return sign + figure(value, unit)


def interval(one: Difference) -> str:
    """Write the 95 % interval of a mean difference; one pair has none."""
    unit = METRICS[one["metric"]].difference_unit
    if one["n"] == 1:
        return NOTHING
    return f"{signed(one['low'], unit)} to {signed(one['high'], unit)}"


def moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")


def floats(values: Iterable[Decimal | None]) -> list[float]:
    """Return numbers to draw; what there is none of is not a number."""
    return [float("nan") if one is None else float(one) for one in values]


def _number(value: Decimal, places: int) -> str:
    return f"{value:,.{places}f}".replace("-", "−")
