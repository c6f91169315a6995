"""What ``risk.reducing`` closes of the positions of one account, in Python's own whole numbers.

Amounts in units, sizes in lots. The products of what decides do not fit 64 bits.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from risk.arrays.rules import Rules
from risk.arrays.units import UNITS, share, times_rate


class Position(NamedTuple):
    """A position, what a lot of it is worth, and the least that a rest of it may be worth."""

    instrument: int
    lots: int
    cost: int
    margin: int
    value: int
    min_notional: int


class Part(NamedTuple):
    """What closed of a position, signed, and what is left; ``before`` is the standing before."""

    instrument: int
    closed: int
    realized: int
    fee: int
    before: tuple[int, int, int]
    lots: int
    cost: int
    margin: int


@dataclass(slots=True)
class Progress:
    """An account on its way through a close-out that reduces."""

    balance: int
    equity: int
    margin: int
    parts: list[Part] = field(default_factory=list)

    def reduce(self, rules: Rules, positions: Iterable[Position]) -> Self | None:
        """Close parts of positions, in turn, until the target is reached; None where it is not."""
        for position in positions:
            if self.is_restored(rules):
                break
            self.close(position, self.lots_to_close(position, rules), rules)
        return self if self.is_restored(rules) else None

    def slack(self, rules: Rules) -> int:
        """Return the equity above the target, in parts of 1e-16 of a unit."""
        return self.equity * UNITS**2 - rules.target_level * self.margin

    def is_restored(self, rules: Rules) -> bool:
        return self.balance >= 0 and self.slack(rules) >= 0

    def lots_to_close(self, position: Position, rules: Rules) -> int:
        """Return the lots that close of a position, by the formula of ``risk.reducing``.

        Both of its sides are taken twice, so that half a unit is whole.
        """
        lots = abs(position.lots)
        closing = most = -(-rules.close_out_share * lots // UNITS)
        slack, charged = self.slack(rules), lots * position.value * rules.fee_rate * UNITS
        gain = 2 * (rules.target_level * position.margin - charged)
        missing = UNITS**2 + rules.target_level - 2 * slack
        if slack < 0 and missing * lots < gain * most:
            closing = -(-missing * lots // gain)
        rest = (lots - closing) * position.value
        return lots if rest < position.min_notional else closing

    def close(self, position: Position, size: int, rules: Rules) -> None:
        """Close lots of a position at its mark, with a fee as far as the balance reaches."""
        lots, before = abs(position.lots), (self.balance, self.equity, self.margin)
        side = 1 if position.lots > 0 else -1
        cost, margin = (share(one, size, lots) for one in (position.cost, position.margin))
        realized = side * size * position.value - cost
        self.balance += realized
        fee = min(times_rate(size * position.value, rules.fee_rate), max(self.balance, 0))
        self.balance, self.equity = self.balance - fee, self.equity - fee
        self.margin -= margin
        left = position.lots - side * size, position.cost - cost, position.margin - margin
        done = side * size, realized, fee
        self.parts.append(Part(position.instrument, *done, before, *left))
