"""stub"""

import random
from collections.abc import Sequence
from decimal import Decimal

from django.conf import settings

from market.amounts import round_to_multiple
from market.models import Instrument


class SimulationSource:
    def __init__(self, *, seed: str | None = None) -> None:
        self.seed = settings.SIMULATION_SEED if seed is None else seed

    def fetch(self, instruments: Sequence[Instrument], step: int) -> dict[str, Decimal]:
        return {i.symbol: self.next(i, step) for i in instruments if i.mark_price is not None}

    def next(self, instrument: Instrument, step: int) -> Decimal:
        rng = random.Random(f"{self.seed}/{instrument.symbol}/{step}") if self.seed else random.SystemRandom()
        log_return = Decimal(repr(rng.gauss(0, 1))) * Decimal(settings.SIMULATION_VOLATILITY)
        price = instrument.mark_price * log_return.exp()
        return max(round_to_multiple(price, instrument.tick_size), instrument.tick_size)
