"""What a benchmark finds: figures, each with its goal if it has one."""

from dataclasses import dataclass
from typing import Final

SIGNS: Final = {"at_least": "≥", "at_most": "≤"}


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound that a figure is held against; ``sense`` is ``at_least`` or ``at_most``."""

    sense: str
    bound: float

    def is_met_by(self, value: float) -> bool:
        return value >= self.bound if self.sense == "at_least" else value <= self.bound

    def __str__(self) -> str:
        return f"{SIGNS[self.sense]} {self.bound:g}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number; ``unit`` is empty for a ratio."""

    name: str
    value: float
    unit: str = ""
    goal: Goal | None = None

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without one."""
        return None if self.goal is None else self.goal.is_met_by(self.value)


def at_least(bound: float) -> Goal:
    return Goal("at_least", bound)


def at_most(bound: float) -> Goal:
    return Goal("at_most", bound)


def shown(value: float) -> str:
    """Return a number with three significant digits, or all of a larger one's."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
