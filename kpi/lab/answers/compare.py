"""How policies differ from the baseline: paired by seed, each variant of the tape by itself.

A policy and its baseline meet the same accounts and draws, so that what differs is the policy's
doing. Seeds speak of sampling, not of markets: variants are never pooled, but shown as a range.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Final, NamedTuple, TypedDict

from kpi.lab.cells.metrics import METRICS
from kpi.lab.extra import needs_the_extra
from kpi.lab.inputs.specs import Study
from market.kernel.amounts import EXACT, plain, round_half_even

if TYPE_CHECKING:
    from kpi.lab.answers.resampling import Certainty

Metrics = Mapping[str, str | int | None]

#: Metrics that the resolution of the tape makes, told as a range over its variants.
RANGED: Final = ("shortfall", "insurance_paid", "bad_debt", "liquidated_notional")
SCALE: Final = 10**8


class Cell(NamedTuple):
    """Where a result stands in a study."""

    policy: str
    seed: int
    variant: str


class Level(TypedDict):
    """A metric of a policy, over the seeds."""

    metric: str
    policy: str
    variant: str
    n: int
    mean: str
    minimum: str
    maximum: str


class Difference(TypedDict):
    """A policy less its baseline. ``low`` and ``high`` hold 95 % of the bootstrapped means.

    ``p_holm`` is p adjusted for all policies of the metric; ``variance_ratio`` that of the paired
    difference's variance to the unpaired one's, None where nothing varies.
    """

    metric: str
    policy: str
    variant: str
    n: int
    mean: str
    median: str
    low: str
    high: str
    p: str
    p_holm: str
    variance_ratio: str | None


class Range(TypedDict):
    """The least and the largest mean over the variants, of a policy and of its difference."""

    metric: str
    policy: str
    low: str
    high: str
    difference_low: str
    difference_high: str


class Tail(TypedDict):
    """Of the shortfall over the seeds: what 95 % do not exceed, and the mean of the worst 5 %."""

    policy: str
    variant: str
    n: int
    var_95: str
    es_95: str


class Comparison(TypedDict):
    """All of it, ready for JSON; the first variant is the tape's own."""

    question: str
    baseline: str
    policies: list[str]
    seeds: list[int]
    variants: list[str]
    levels: list[Level]
    differences: list[Difference]
    ranges: list[Range]
    tails: list[Tail]


def compare(study: Study, results: Mapping[tuple[str, int, str], Metrics]) -> Comparison:
    """Compare the policies of a study by the cells that there are.

    A pair counts where both of its cells have the metric. Raises LabNotInstalled.
    """
    cells = {Cell(*place): _whole(metrics) for place, metrics in results.items()}
    policies = [policy.name for policy in study.policies]
    variants = [variant.name for variant in study.variants]
    seeds = list(study.seeds)
    table = _Table(cells, seeds, study.baseline)
    levels = list(table.levels(policies, variants))
    differences = [one for variant in variants for one in table.differences(policies, variant)]
    return {
        "question": study.question,
        "baseline": study.baseline,
        "policies": policies,
        "seeds": seeds,
        "variants": variants,
        "levels": levels,
        "differences": differences,
        "ranges": list(_ranges(levels, differences)),
        "tails": list(table.tails(policies, variants)),
    }


class _Table:
    """The metrics of all cells, in whole numbers of 1e-8."""

    def __init__(
        self, cells: Mapping[Cell, Mapping[str, int]], seeds: Sequence[int], baseline: str
    ) -> None:
        self.cells, self.seeds, self.baseline = cells, seeds, baseline

    def column(self, metric: str, policy: str, variant: str) -> dict[int, int]:
        """Return a metric by seed, without the cells that are missing or have none."""
        found = ((seed, self.cells.get(Cell(policy, seed, variant), {})) for seed in self.seeds)
        return {seed: cell[metric] for seed, cell in found if metric in cell}

    def pairs(self, metric: str, policy: str, variant: str) -> list[tuple[int, int]]:
        """Return the policy's value and the baseline's of each seed that has both."""
        ours = self.column(metric, policy, variant)
        theirs = self.column(metric, self.baseline, variant)
        return [(ours[seed], theirs[seed]) for seed in ours if seed in theirs]

    def levels(self, policies: Sequence[str], variants: Sequence[str]) -> Iterator[Level]:
        for metric in METRICS:
            for variant in variants:
                for policy in policies:
                    values = list(self.column(metric, policy, variant).values())
                    if values:
                        yield _level(metric, policy, variant, values)

    def differences(self, policies: Sequence[str], variant: str) -> Iterator[Difference]:
        """Yield each metric's differences, those of one metric adjusted for their number."""
        with needs_the_extra():
            from kpi.lab.answers.resampling import certainty, holm
        others = [policy for policy in policies if policy != self.baseline]
        for metric in METRICS:
            paired = {policy: self.pairs(metric, policy, variant) for policy in others}
            paired = {policy: pairs for policy, pairs in paired.items() if pairs}
            found = [certainty([a - b for a, b in pairs]) for pairs in paired.values()]
            adjusted = holm([one.p for one in found])
            for (policy, pairs), one, p_holm in zip(paired.items(), found, adjusted, strict=True):
                yield _difference(metric, policy, variant, pairs, one, p_holm)

    def tails(self, policies: Sequence[str], variants: Sequence[str]) -> Iterator[Tail]:
        for variant in variants:
            for policy in policies:
                values = sorted(self.column("shortfall", policy, variant).values())
                if values:
                    yield _tail(policy, variant, values)


def _level(metric: str, policy: str, variant: str, values: Sequence[int]) -> Level:
    return {
        "metric": metric,
        "policy": policy,
        "variant": variant,
        "n": len(values),
        "mean": _text(Fraction(sum(values), len(values))),
        "minimum": _text(Fraction(min(values))),
        "maximum": _text(Fraction(max(values))),
    }


def _difference(
    metric: str,
    policy: str,
    variant: str,
    pairs: Sequence[tuple[int, int]],
    sure: "Certainty",
    p_holm: Fraction,
) -> Difference:
    n, ranked = len(pairs), sorted(a - b for a, b in pairs)
    return {
        "metric": metric,
        "policy": policy,
        "variant": variant,
        "n": n,
        "mean": _text(Fraction(sum(ranked), n)),
        "median": _text(Fraction(ranked[(n - 1) // 2] + ranked[n // 2], 2)),
        "low": _text(sure.low),
        "high": _text(sure.high),
        "p": _text(sure.p * SCALE),
        "p_holm": _text(p_holm * SCALE),
        "variance_ratio": _variance_ratio(pairs),
    }


def _tail(policy: str, variant: str, ranked: Sequence[int]) -> Tail:
    """Take the order statistics; of the seed that the 95 % split, ES counts what lies beyond."""
    n = len(ranked)
    place = -(-95 * n // 100)
    worst = (100 * place - 95 * n) * ranked[place - 1] + 100 * sum(ranked[place:])
    return {
        "policy": policy,
        "variant": variant,
        "n": n,
        "var_95": _text(Fraction(ranked[place - 1])),
        "es_95": _text(Fraction(worst, 5 * n)),
    }


def _variance_ratio(pairs: Sequence[tuple[int, int]]) -> str | None:
    """Return var(a − b) ÷ (var(a) + var(b)): how little noise is left by pairing."""
    ours, theirs = zip(*pairs, strict=True)
    unpaired = _spread(ours) + _spread(theirs)
    if not unpaired:
        return None
    return _text(Fraction(SCALE * _spread([a - b for a, b in pairs]), unpaired))


def _spread(values: Sequence[int]) -> int:
    return len(values) * sum(one * one for one in values) - sum(values) ** 2


def _ranges(levels: Iterable[Level], differences: Iterable[Difference]) -> Iterator[Range]:
    """Yield the range over variants of what the resolution of candles makes."""
    means: dict[tuple[str, str], list[Decimal]] = {}
    moves: dict[tuple[str, str], list[Decimal]] = {}
    for row in levels:
        means.setdefault((row["metric"], row["policy"]), []).append(Decimal(row["mean"]))
    for one in differences:
        moves.setdefault((one["metric"], one["policy"]), []).append(Decimal(one["mean"]))
    for (metric, policy), found in means.items():
        if metric in RANGED:
            moved = moves.get((metric, policy), [Decimal(0)])
            yield {
                "metric": metric,
                "policy": policy,
                "low": plain(min(found)),
                "high": plain(max(found)),
                "difference_low": plain(min(moved)),
                "difference_high": plain(max(moved)),
            }


def _whole(metrics: Metrics) -> dict[str, int]:
    """Return the metrics that a cell has, in whole numbers of 1e-8."""
    return {
        name: int(EXACT.multiply(Decimal(value), Decimal(SCALE)))
        for name, value in metrics.items()
        if value is not None
    }


def _text(value: Fraction) -> str:
    """Write what is in 1e-8 as a decimal of eight places, without trailing zeros."""
    units = EXACT.divide(Decimal(value.numerator), Decimal(value.denominator))
    return plain(round_half_even(EXACT.divide(units, Decimal(SCALE))))
