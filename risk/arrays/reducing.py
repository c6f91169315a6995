"""What ``risk.reducing`` closes of the positions of one account, in Python's own whole numbers.

Amounts in units, sizes in lots. The products of what decides do not fit 64 bits.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from risk.arrays.maintenance import Requirements
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
    """An account on its way through a close-out that reduces.

    ``required`` is what its positions require, in parts of 1e-8 of a unit.
    """

    by: Requirements
    balance: int
    equity: int
    margin: int
    required: int = field(init=False)
    parts: list[Part] = field(default_factory=list)

    def reduce(self, rules: Rules, positions: Sequence[Position]) -> Self | None:
        """Close parts of positions, in turn, until the target is reached; None where it is not."""
        self.required = sum(self.requires(one, one.lots, one.margin) for one in positions)
        for position in positions:
            if self.is_restored(rules):
                break
            self.close(position, self.lots_to_close(position, rules), rules)
        return self if self.is_restored(rules) else None

    def requires(self, position: Position, lots: int, margin: int) -> int:
        """Return what a position requires, or what is left of it."""
        return self.by.exact(position.instrument, abs(lots) * position.value, margin)

    def is_restored(self, rules: Rules) -> bool:
        aim = rules.close_out_target * self.required
        return self.balance >= 0 and self.equity * UNITS**2 >= aim

    def lots_to_close(self, position: Position, rules: Rules) -> int:
        """Return the lots that close of a position, by the formula of ``risk.reducing``.

        Both of its sides are taken twice, so that half a unit is whole.
        """
        lots, target = abs(position.lots), rules.close_out_target
        notional, most = lots * position.value, -(-rules.close_out_share * lots // UNITS)
        others = self.required - self.requires(position, lots, position.margin)
        fee, missing, closing = notional * rules.fee_rate * UNITS, list[int](), list[int]()
        for rate, amount, taken_off in self.by.lines(
            position.instrument, notional, position.margin
        ):
            aim = target * (others + rate * amount - taken_off * UNITS)
            missing.append(aim - self.equity * UNITS**2)
            wanted = (2 * missing[-1] + UNITS**2 + target * rules.threshold) * lots
            gain = 2 * (target * rate * amount - fee)
            if wanted > 0:
                closing.append(-(-wanted // gain) if wanted < gain * most else most)
        size = max(closing) if max(missing) > 0 else most
        rest = (lots - size) * position.value
        return lots if rest < position.min_notional else size

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
        self.required -= self.requires(position, lots, position.margin)
        self.required += self.requires(position, left[0], left[2])
        done = side * size, realized, fee
        self.parts.append(Part(position.instrument, *done, before, *left))
