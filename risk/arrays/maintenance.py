"""What positions require of many accounts, by the rule of ``risk.maintenance``, in whole numbers.

The exact sum over an account's positions has eight places more than an amount. It is taken in two
parts, whole units and parts of 1e-8 of one, so that it is rounded once: equity is whole, and lies
below the sum where it lies below that rounded up.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple, Self

import numpy as np

from risk import maintenance
from risk.arrays.units import LARGEST, UNITS, Flags, Whole, exact_units, rate_units
from risk.maintenance import Requirement


class Required(NamedTuple):
    """An exact amount: whole units, and parts of 1e-8 of a unit, which may be more than one."""

    whole: Whole
    below: Whole

    @property
    def rounded_up(self) -> Whole:
        return self.whole - self.below // -UNITS


@dataclass(frozen=True, eq=False)
class Ladder:
    """The brackets of an instrument: the notional at which each but the first begins, in units.

    Those that begin at ``LARGEST``, which no position passes, or above are left out. Rates are in
    parts of 1e-8, the cumulative amounts in units.
    """

    begins: Whole
    rates: Whole
    cumulative: Whole
    max_leverage: Whole
    cap: int

    @classmethod
    def of(cls, ladder: maintenance.Ladder) -> Self:
        caps = [exact_units(bracket.cap) for bracket in ladder]
        begins = [cap for cap in caps[:-1] if cap < LARGEST]
        reached = ladder[: len(begins) + 1]
        return cls(
            begins=np.array(begins, np.int64),
            rates=np.array([rate_units(bracket.rate) for bracket in reached]),
            cumulative=np.array([exact_units(bracket.cumulative) for bracket in reached]),
            max_leverage=np.array([bracket.max_leverage for bracket in reached]),
            cap=min(caps[-1], LARGEST),
        )

    def bracket(self, notional: Whole) -> Whole:
        """Return the bracket that a notional is in, caps included; beyond the last the last."""
        return np.searchsorted(self.begins, notional)

    @cached_property
    def lines(self) -> list[tuple[int, int]]:
        """The rate of each bracket and its cumulative amount, in Python's own whole numbers."""
        return list(zip(self.rates.tolist(), self.cumulative.tolist(), strict=True))


@dataclass(frozen=True, eq=False)
class Requirements:
    """What positions of each instrument require: by its ladder, else a share of their margin."""

    threshold: int
    ladders: tuple[Ladder | None, ...]
    by_brackets: bool

    @property
    def follow_marks(self) -> bool:
        """Whether what is required depends on the marks."""
        return any(self.ladders)

    def of(self, number: int, notional: Whole, margin: Whole) -> Required:
        """Return what positions of an instrument require, of notionals and margins."""
        ladder = self.ladders[number]
        amount = margin if ladder is None else notional
        high = amount // UNITS
        low = amount - high * UNITS
        if ladder is None:
            return Required(high * self.threshold, low * self.threshold)
        bracket = ladder.bracket(notional)
        rate = ladder.rates[bracket]
        return Required(high * rate - ladder.cumulative[bracket], low * rate)

    def each(self, notional: Sequence[Whole] | Whole, margin: Whole) -> list[Required]:
        """Return the same by instrument, of notionals and margins of all of them."""
        return [self.of(i, *both) for i, both in enumerate(zip(notional, margin, strict=True))]

    def needed(self, notional: Sequence[Whole] | Whole, margin: Whole) -> Whole:
        """Return the least equity that is not in breach, of accounts with these positions."""
        return total(self.each(notional, margin)).rounded_up

    def allowed(self, instrument: Whole, notional: Whole) -> "Allowed":
        """Return what positions of notionals in instruments, one each, may be."""
        most, beyond = np.full_like(notional, LARGEST), np.zeros(len(notional), np.bool_)
        missing = beyond.copy()
        for number, ladder in enumerate(self.ladders):
            (chosen,) = (instrument == number).nonzero()
            if ladder is None:
                missing[chosen] = True
                continue
            most[chosen] = ladder.max_leverage[ladder.bracket(notional[chosen])]
            beyond[chosen] = notional[chosen] > ladder.cap
        return Allowed(most, missing, beyond)

    def exact(self, number: int, notional: int, margin: int) -> int:
        """Return what one position requires, in parts of 1e-8 of a unit."""
        return max(
            slope * amount - constant * UNITS
            for slope, amount, constant in self.lines(number, notional, margin)
        )

    def lines(self, number: int, notional: int, margin: int) -> Iterable[tuple[int, int, int]]:
        """Return the lines of which what a position requires is the largest.

        Of each the rate, the amount that it is of, and the units that are taken off.
        """
        ladder = self.ladders[number]
        if ladder is None:
            return [(self.threshold, margin, 0)]
        return [(rate, notional, cumulative) for rate, cumulative in ladder.lines]


class Allowed(NamedTuple):
    """By order the highest leverage of its position's bracket, and whether it has none or is beyond
    the last.
    """

    leverage: Whole
    missing: Flags
    beyond: Flags


def total(required: Iterable[Required]) -> Required:
    """Return what positions require together."""
    whole, below = zip(*required, strict=True)
    return Required(sum(whole), sum(below))


@lru_cache(maxsize=64)
def requirements(by: Requirement, symbols: tuple[str, ...]) -> Requirements:
    """Return what positions in instruments of these symbols require, kept for the next step."""
    ladders = [by.ladder(symbol) for symbol in symbols]
    return Requirements(
        threshold=rate_units(by.threshold),
        ladders=tuple(None if one is None else Ladder.of(one) for one in ladders),
        by_brackets=by.is_by_brackets,
    )
