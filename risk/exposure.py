"""Exposure: the notional that is at stake, valued at mark prices. Decimals only, in USDT."""

from dataclasses import dataclass
from decimal import Decimal

from market.kernel.amounts import ZERO


@dataclass(frozen=True, slots=True)
class ExposureChange:
    """What one booking adds to an instrument's open interest and reserved notional."""

    long_quantity: Decimal = ZERO
    short_quantity: Decimal = ZERO
    order_notional: Decimal = ZERO

    def __add__(self, other: "ExposureChange") -> "ExposureChange":
        return ExposureChange(
            self.long_quantity + other.long_quantity,
            self.short_quantity + other.short_quantity,
            self.order_notional + other.order_notional,
        )

    def valued_at(self, mark_price: Decimal) -> Decimal:
        """Return the change of exposure in USDT; exact, as every product of size and price is."""
        return (self.long_quantity + self.short_quantity) * mark_price + self.order_notional


class ExposureChanges:
    """Changes by instrument id, each with the mark price on which it was decided, if on one.

    ``peak`` is what they add to global exposure at most, at the moments when an order opens.
    """

    def __init__(self) -> None:
        self.by_instrument: dict[int, tuple[Decimal | None, ExposureChange]] = {}
        self.peak: Decimal | None = None

    def add(self, instrument_id: int, mark_price: Decimal | None, change: ExposureChange) -> None:
        known_mark, known = self.by_instrument.get(instrument_id, (None, ExposureChange()))
        self.by_instrument[instrument_id] = (mark_price or known_mark, known + change)

    def note_opening(self) -> None:
        """Hold what is added by now against the threshold: the last order adds risk."""
        self.peak = self.value if self.peak is None else max(self.value, self.peak)

    @property
    def value(self) -> Decimal:
        """What the changes add to global exposure, in USDT."""
        changes = self.by_instrument.values()
        return sum((change.valued_at(mark or ZERO) for mark, change in changes), ZERO)


def change_of_position(before: Decimal, after: Decimal) -> ExposureChange:
    """Return the change of open interest when a signed quantity goes from before to after."""
    return ExposureChange(
        long_quantity=max(after, ZERO) - max(before, ZERO),
        short_quantity=max(-after, ZERO) - max(-before, ZERO),
    )
