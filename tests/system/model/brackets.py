"""Maintenance by brackets in exact fractions, by looking a position's bracket up."""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cache


@dataclass(frozen=True)
class Bracket:
    """From ``floor`` (not included) to ``cap`` a position of notional N requires N·rate − taken."""

    floor: Fraction
    cap: Fraction
    rate: Fraction
    highest: int
    taken: Fraction

    def required(self, notional: Fraction) -> Fraction:
        return notional * self.rate - self.taken


def ladders(text: str) -> dict[str, tuple[Bracket, ...]]:
    """Read "AAA 10: 0.1 5x, 20: 0.2 4x; BBB 9: 0.1 5x"."""
    found = {}
    for ladder in filter(None, text.split("; ")):
        symbol, rungs = ladder.split(" ", 1)
        found[symbol] = rungs_of(rungs)
    return found


@cache
def rungs_of(text: str) -> tuple[Bracket, ...]:
    """Read "10: 0.1 5x, 20: 0.2 4x", once."""
    rungs: list[Bracket] = []
    for rung in text.split(", "):
        cap, rate, highest = rung.replace(":", "").rstrip("x").split()
        floor, before = (rungs[-1].cap, rungs[-1].rate) if rungs else (Fraction(0), Fraction(rate))
        taken = (rungs[-1].taken if rungs else 0) + floor * (Fraction(rate) - before)
        rungs.append(Bracket(floor, Fraction(cap), Fraction(rate), int(highest), taken))
    return tuple(rungs)


def rung_at(rungs: tuple[Bracket, ...], notional: Fraction | Decimal) -> Bracket | None:
    """Return the bracket that a notional is in; None beyond the last cap."""
    return next((rung for rung in rungs if notional <= rung.cap), None)


def required(rungs: tuple[Bracket, ...], notional: Fraction) -> Fraction:
    """Return the maintenance of a notional; beyond the last cap the last rate goes on."""
    return (rung_at(rungs, notional) or rungs[-1]).required(notional)


def price_at(
    rungs: tuple[Bracket, ...], *, quantity: Fraction, mark: Fraction, spare: Fraction
) -> Fraction:
    """Return the price at which ``spare + quantity × (p − mark)`` is the maintenance.

    Walks from bracket to bracket until the price lies in the one that it was worked out by.
    """
    for rung in rungs:
        slope = abs(quantity) * rung.rate - quantity
        price = (spare - quantity * mark + rung.taken) / slope
        if (abs(quantity) * price > rung.floor or rung is rungs[0]) and (
            abs(quantity) * price <= rung.cap or rung is rungs[-1]
        ):
            return price
    raise AssertionError("maintenance goes on from bracket to bracket")
