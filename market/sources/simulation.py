"""Simulated prices: a geometric random walk that continues from the last mark price."""

import random
from collections.abc import Sequence
from decimal import ROUND_DOWN, Decimal

from django.conf import settings

from market.kernel.amounts import EXACT, LARGEST_INPUT, UNIT, round_to_multiple
from market.models import Instrument, PriceOrigin


class SimulationSource:
    """Moves each price by ``exp(volatility × N(0, 1))`` per step, to the nearest tick.

    A seeded walk depends on seed, symbol, step number and last price alone, whatever process takes
    the step; without a seed the system's randomness drives it. Seed and volatility default to the
    settings SIMULATION_SEED and SIMULATION_VOLATILITY. An instrument without a mark price gets
    none: it is listed with a first price.
    """

    name = PriceOrigin.SIMULATION

    def __init__(self, *, seed: str | None = None, volatility: Decimal | None = None) -> None:
        self.seed = settings.SIMULATION_SEED if seed is None else seed
        self.volatility = settings.SIMULATION_VOLATILITY if volatility is None else volatility

    def fetch(self, instruments: Sequence[Instrument], step: int) -> dict[str, Decimal]:
        return {
            instrument.symbol: self.next_price(instrument, instrument.mark_price, step)
            for instrument in instruments
            if instrument.mark_price is not None
        }

    def next_price(self, instrument: Instrument, last: Decimal, step: int) -> Decimal:
        """Return the price after ``last``: at least one tick, and below LARGEST_INPUT."""
        log_return = EXACT.multiply(self.shock(instrument.symbol, step), self.volatility)
        price = EXACT.multiply(last, EXACT.exp(log_return))
        tick_size = instrument.tick_size
        nearest = round_to_multiple(min(price, LARGEST_INPUT), tick_size)
        return min(max(nearest, tick_size), highest_price(tick_size))

    def shock(self, symbol: str, step: int) -> Decimal:
        """Return one draw of N(0, 1)."""
        # Prices of a simulation, no secrets: the seeded generator is the point.
        seeded = random.Random(f"{self.seed}/{symbol}/{step}")  # noqa: S311
        generator = seeded if self.seed else random.SystemRandom()
        return Decimal(repr(generator.gauss(0, 1)))


def highest_price(tick_size: Decimal) -> Decimal:
    """Return the largest multiple of ``tick_size`` that a mark price may have."""
    ticks = EXACT.divide(LARGEST_INPUT - UNIT, tick_size).quantize(Decimal(1), ROUND_DOWN)
    return EXACT.multiply(ticks, tick_size)
