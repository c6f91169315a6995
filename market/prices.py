"""stub"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from market.models import Instrument, PriceOrigin
from market.sources.simulation import SimulationSource


@dataclass(frozen=True, slots=True)
class Quote:
    price: Decimal
    source: PriceOrigin


def current_quotes(
    *, instruments: Sequence[Instrument], step: int, seed: str | None = None
) -> dict[str, Quote]:
    prices = SimulationSource(seed=seed).fetch(instruments, step)
    return {symbol: Quote(price, PriceOrigin.SIMULATION) for symbol, price in prices.items()}
