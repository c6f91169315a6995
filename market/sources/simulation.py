"""Simulated prices: a geometric random walk that continues from the last mark price."""

import random
from collections.abc import Sequence
from decimal import Decimal

from django.conf import settings

from market.amounts import EXACT, round_to_multiple
from market.models import Instrument, PriceOrigin


class SimulationSource:
    """Moves each price by ``exp(volatility × N(0, 1))`` per step.

    A seeded walk depends on seed, symbol, step number and last price alone, whatever process takes
    the step. An instrument without a mark price gets none: it is listed with a first price.
    """

    name = PriceOrigin.SIMULATION

    def __init__(self, *, seed: str = "", volatility: Decimal | None = None) -> None:
        self.seed = seed or settings.SIMULATION_SEED
        self.volatility = volatility or Decimal(settings.SIMULATION_VOLATILITY)

    def fetch(self, instruments: Sequence[Instrument], step: int) -> dict[str, Decimal]:
        return {
            instrument.symbol: self.next_price(instrument, instrument.mark_price, step)
            for instrument in instruments
            if instrument.mark_price is not None
        }

    def next_price(self, instrument: Instrument, last: Decimal, step: int) -> Decimal:
        """Return the price after ``last``, at least one tick."""
        log_return = EXACT.multiply(self.shock(instrument.symbol, step), self.volatility)
        price = EXACT.multiply(last, log_return.exp())
        return max(round_to_multiple(price, instrument.tick_size), instrument.tick_size)

    def shock(self, symbol: str, step: int) -> Decimal:
        """Return one draw of N(0, 1)."""
        # Prices of a simulation, no secrets: the seeded generator is the point.
        seeded = random.Random(f"{self.seed}/{symbol}/{step}")  # noqa: S311
        generator = seeded if self.seed else random.SystemRandom()
        return Decimal(repr(generator.gauss(0, 1)))
