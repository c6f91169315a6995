"""How an instrument's realised range lowers the highest leverage of what opens.

Bands are a text: bounds of the range with the share of a tier's highest leverage that is left from
there on, such as ``0.03: 0.75, 0.06: 0.5``. No text, no bands.
"""

from decimal import Decimal, InvalidOperation
from functools import lru_cache
from itertools import pairwise
from typing import Final

from market.kernel.amounts import EXACT, plain, round_half_even

MOST_BANDS: Final = 8
#: Below it ranges have bounds: five times the lowest mark.
BEYOND: Final = 5
SHAPE: Final = (
    f"at most {MOST_BANDS} bands such as 0.03: 0.75, 0.06: 0.5, ranges rising between 0 and "
    f"{BEYOND}, shares falling between 1 and 0, with 8 places at most"
)

#: The bound from which on it applies, and its share.
Band = tuple[Decimal, Decimal]


class NoBands(ValueError):
    """A text that says no bands."""


def read_bands(text: str) -> tuple[Band, ...]:
    """Return the bands of a text by range. Raises NoBands."""
    bands = tuple(map(read_band, text.split(","))) if text.strip() else ()
    rising = all(one[0] < other[0] and one[1] > other[1] for one, other in pairwise(bands))
    if len(bands) > MOST_BANDS or not rising:
        raise NoBands(text)
    return bands


def read_band(text: str) -> Band:
    bound, _, share = text.partition(":")
    try:
        band = Decimal(bound.strip()), Decimal(share.strip())
    except InvalidOperation:
        raise NoBands(text) from None
    if not all(map(is_between, band, (BEYOND, 1))):
        raise NoBands(text)
    return band


def is_between(value: Decimal, most: int) -> bool:
    """Tell whether a number of eight places at most is above 0 and below another one."""
    return value.is_finite() and 0 < value < most and round_half_even(value) == value


def bands_text(bands: tuple[Band, ...]) -> str:
    """Return the text of bands, the same for the same ones."""
    return ", ".join(f"{plain(bound)}: {plain(share)}" for bound, share in bands)


@lru_cache(maxsize=64)
def bands_of(text: str) -> tuple[Band, ...]:
    """Return the bands of a text that was checked, kept for the next order."""
    return read_bands(text)


def highest_leverage(tiers: int, bands: str, realized_range: Decimal | None) -> int:
    """Return what is left of a tier's highest leverage: its share, cut to a whole number, or 1.

    The band of the highest bound that the range reaches applies. An instrument without a range is
    in none.
    """
    if not bands or realized_range is None:
        return tiers
    reached = [share for bound, share in bands_of(bands) if realized_range >= bound]
    return scaled(tiers, reached[-1]) if reached else tiers


def scaled(tiers: int, share: Decimal) -> int:
    """Return a share of a leverage, cut to a whole number, and at least 1."""
    return max(int(EXACT.multiply(tiers, share)), 1)
