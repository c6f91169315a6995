"""The answer of a comparison in one sentence, and how figures are said to people."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from kpi.lab.compare import Comparison, Difference

#: More policies than this are answered by the two ends among them.
MOST_NAMED: Final = 3


def answer_sentence(comparison: Comparison) -> str:
    """Say what each policy would have changed: what is liquidated, and who else pays."""
    main = comparison["variants"][0]
    liquidated = {
        one["policy"]: one
        for one in comparison["differences"]
        if one["metric"] == "liquidated_notional" and one["variant"] == main
    }
    if not liquidated:
        return "There is nothing to compare yet: no policy has a cell beside its baseline's."
    named = _named(list(liquidated.values()))
    clauses = "; ".join(_clause(comparison, one) for one in named)
    return f"Compared with {comparison['baseline']}, {clauses}."


def amount(value: Decimal | str, unit: str = "USDT") -> str:
    """Write a figure in about three digits: 1.23 M USDT."""
    value = Decimal(value)
    for size, word in ((9, " bn"), (6, " M")):
        if abs(value) >= 10**size:
            return f"{_short(value.scaleb(-size))}{word} {unit}".strip()
    return f"{_short(value)} {unit}".strip()


def change(low: str, high: str) -> str:
    """Write what lies between two differences: 1 to 2 USDT less, or 1 less to 2 USDT more."""
    ends = sorted((Decimal(low), Decimal(high)), key=abs)
    if ends[0] * ends[1] < 0:
        return f"{amount(-Decimal(low))} less to {amount(high)} more"
    word = "less" if ends[1] < 0 else "more"
    small, large = (amount(abs(end)) for end in ends)
    return f"{large} {word}" if small == large else f"{small} to {large} {word}"


def _named(found: Sequence[Difference]) -> list[Difference]:
    if len(found) <= MOST_NAMED:
        return list(found)
    ranked = sorted(found, key=lambda one: Decimal(one["mean"]))
    return [ranked[0], ranked[-1]]


def _clause(comparison: Comparison, liquidated: Difference) -> str:
    return (
        f"{liquidated['policy']} would have liquidated {_said(liquidated)}"
        f" and left {_shortfall(comparison, liquidated['policy'])}"
    )


def _said(one: Difference) -> str:
    """Say a mean difference with its interval, if it has one."""
    if Decimal(one["low"]) == 0 == Decimal(one["high"]):
        return f"exactly as much ({_seeds(one['n'])})"
    mean = change(one["mean"], one["mean"])
    if one["n"] == 1:
        return f"{mean} (one seed, hence no interval)"
    span = change(one["low"], one["high"])
    return f"{mean} (95 % interval {span}, {_seeds(one['n'])})"


def _shortfall(comparison: Comparison, policy: str) -> str:
    """Say what others would have paid, as a range over the tape's variants where there are some."""
    (found,) = (
        one
        for one in comparison["ranges"]
        if one["metric"] == "shortfall" and one["policy"] == policy
    )
    low, high = found["difference_low"], found["difference_high"]
    if Decimal(low) == 0 == Decimal(high):
        return "others to pay exactly as much"
    span = change(low, high)
    several = len(comparison["variants"]) > 1
    over = ", by the resolution of the candles" if several else " on average"
    return f"others to pay {span}{over}"


def _seeds(n: int) -> str:
    return f"{n} seed" if n == 1 else f"{n} seeds"


def _short(value: Decimal) -> str:
    """Round to three digits, and never before the decimal point."""
    whole = len(str(abs(int(value))))
    return f"{value:,.{max(0, 3 - whole)}f}"
