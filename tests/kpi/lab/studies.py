"""Comparisons and cells to try the lab's answers on."""

from types import SimpleNamespace
from typing import Any

Cells = dict[tuple[str, int, str], dict[str, Any]]


def study(
    *, policies: tuple[str, ...] = ("seed", "esma"), seeds: int = 5, variants: tuple[str, ...]
) -> Any:
    """Return as much of a study as a comparison asks for."""
    return SimpleNamespace(
        question="What would esma have done?",
        baseline=policies[0],
        policies=tuple(SimpleNamespace(name=name) for name in policies),
        seeds=tuple(range(1, seeds + 1)),
        variants=tuple(SimpleNamespace(name=name) for name in variants),
    )


def cells(metric: str, values: dict[str, list[Any]], variant: str = "ohlc") -> Cells:
    """Return cells of one metric, by policy one value a seed."""
    return {
        (policy, seed, variant): {metric: value}
        for policy, found in values.items()
        for seed, value in enumerate(found, start=1)
    }
