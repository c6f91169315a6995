"""The answer of a comparison in one sentence, and how figures are said to people."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from kpi.lab.answers.compare import Comparison, Difference

#: More policies than this are answered by the two ends among them.
MOST_NAMED: Final = 2


def answer_sentence(comparison: Comparison) -> str:
    """Say what each policy would have changed: what is liquidated, and who else pays."""
    main = comparison["variants"][0]
    liquidated = [
        one
        for one in comparison["differences"]
        if one["metric"] == "liquidated_notional" and one["variant"] == main
    ]
    if not liquidated:
        return "There is nothing to compare yet: no policy has a cell beside its baseline's."
    clauses = "; ".join(_clause(comparison, one) for one in _named(liquidated))
    return f"Compared with {comparison['baseline']}, over {_seeds(liquidated)}, {clauses}."


def amount(value: Decimal | str, unit: str = "USDT") -> str:
    """Write a figure in three digits: 1.23 M USDT."""
    value = Decimal(value)
    value = round(value, 2 - value.adjusted()) if value else value
    for size, word in ((9, " bn"), (6, " M")):
        if abs(value) >= 10**size:
            return f"{_short(value.scaleb(-size))}{word} {unit}".strip()
    return f"{_short(value)} {unit}".strip()


def change(low: str, high: str) -> str:
    """Write what lies between two differences: 1 to 2 USDT less, or 1 less to 2 USDT more."""
    small, large = sorted((Decimal(low), Decimal(high)), key=abs)
    if small * large < 0:
        return f"{amount(-Decimal(low), '')} less to {amount(high)} more"
    return f"{_between(small, large)} {'less' if large < 0 else 'more'}"


def _between(small: Decimal, large: Decimal) -> str:
    ends = amount(abs(small)), amount(abs(large))
    return ends[1] if ends[0] == ends[1] else f"{amount(abs(small), '')} to {ends[1]}"


def _named(found: Sequence[Difference]) -> list[Difference]:
    if len(found) <= MOST_NAMED:
        return list(found)
    ranked = sorted(found, key=lambda one: Decimal(one["mean"]))
    return [ranked[0], ranked[-1]]


def _seeds(found: Sequence[Difference]) -> str:
    most = max(one["n"] for one in found)
    return "one seed" if most == 1 else f"{most} seeds"


def _clause(comparison: Comparison, liquidated: Difference) -> str:
    return (
        f"{liquidated['policy']} would have liquidated {_said(liquidated)}"
        f" and left {_shortfall(comparison, liquidated['policy'])}"
    )


def _said(one: Difference) -> str:
    """Say a mean difference with its interval, if it has one."""
    low, high = Decimal(one["low"]), Decimal(one["high"])
    if low == 0 == high:
        return "exactly as much"
    mean = change(one["mean"], one["mean"])
    if one["n"] == 1:
        return f"{mean} (no interval)"
    same = low * high > 0
    span = _between(*sorted((low, high), key=abs)) if same else change(one["low"], one["high"])
    return f"{mean} (95 % interval {span})"


def _shortfall(comparison: Comparison, policy: str) -> str:
    """Say what others would have paid, as a range over the resolutions of the tape."""
    (found,) = (
        one
        for one in comparison["ranges"]
        if one["metric"] == "shortfall" and one["policy"] == policy
    )
    low, high = found["difference_low"], found["difference_high"]
    if Decimal(low) == 0 == Decimal(high):
        return "others to pay exactly as much"
    several = len(comparison["variants"])
    over = f"over {several} resolutions of the candles" if several > 1 else "at one resolution"
    return f"others to pay {change(low, high)}, {over}"


def _short(value: Decimal) -> str:
    """Write a number with three digits, and never fewer than stand before its point."""
    if not value:
        return "0"
    whole = len(str(abs(int(value))))
    return f"{value:,.{max(0, 3 - whole)}f}"
