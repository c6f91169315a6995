"""Amounts as whole numbers of 1e-8 USDT in int64: the digits of the Decimals, without a float.

No step leaves 64 bits for amounts up to ``LARGEST`` and rates up to ``HIGHEST_RATE``: a product
with a rate is taken in two parts, above and below 1e8. What is larger is refused with OutOfRange.
"""

from decimal import Decimal
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from market.kernel.amounts import EXACT

Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]
#: One amount, or an array of them.
Amounts = TypeVar("Amounts", int, Whole)

#: Units of a USDT, and parts of a rate of one.
UNITS: Final = 10**8
#: The largest amount, and the largest total of one kind of an account. 64 bits hold ten of it, so
#: that sums of a balance, costs, values and margins fit as well.
LARGEST: Final = 9 * 10**9 * UNITS
#: The largest rate, share or threshold.
HIGHEST_RATE: Final = 5 * UNITS
#: Zeros of a number that no column has room for: what is of more digits is not even looked at.
MOST_DIGITS: Final = 30


class OutOfRange(ValueError):
    """An amount is too large to be computed here."""


def units(value: Decimal) -> int:
    """Return an amount in units. Raises ValueError where it has more than eight places."""
    whole = exact_units(value)
    if abs(whole) > LARGEST:
        raise OutOfRange(f"{value} USDT is above {LARGEST // UNITS:,}, the largest amount.")
    return whole


def limit_units(value: Decimal | None, most: int = LARGEST) -> int:
    """Return a limit in units; ``most``, which nothing passes, where there is none."""
    return most if value is None else min(exact_units(value), most)


def rate_units(value: Decimal) -> int:
    """Return a rate in parts of 1e-8. Raises ValueError where it has more than eight places."""
    whole = exact_units(value)
    if not 0 <= whole <= HIGHEST_RATE:
        raise OutOfRange(f"{value} is no rate from 0 to {HIGHEST_RATE // UNITS}.")
    return whole


def exact_units(value: Decimal) -> int:
    """Return a number in parts of 1e-8. Raises ValueError where there is none."""
    if value.adjusted() > MOST_DIGITS:
        raise OutOfRange(f"{value} is too large to be an amount.")
    whole = value.scaleb(8, EXACT)
    if not whole.is_finite() or whole != whole.to_integral_value():
        raise ValueError(f"{value} is not a number of eight decimal places.")
    return int(whole)


def amount(whole: int) -> Decimal:
    """Return units as an amount in USDT."""
    return Decimal(int(whole)).scaleb(-8, EXACT)


def total(amounts: Whole) -> int:
    """Sum whole numbers, in two halves that each fit 64 bits."""
    return (int((amounts >> 32).sum()) << 32) + int((amounts & 0xFFFFFFFF).sum())


def times_rate(amounts: Amounts, rate: int | Amounts) -> Amounts:
    """Return ``amounts × rate``, half-even."""
    high = amounts // UNITS
    below = (amounts - high * UNITS) * rate
    whole = below // UNITS
    rest = below - whole * UNITS
    product = high * rate + whole
    return product + (2 * rest + (product & 1) > UNITS)


def ceil_times_rate(amounts: Amounts, rate: int | Amounts) -> Amounts:
    """Return ``amounts × rate``, rounded up."""
    high = amounts // UNITS
    below = amounts - high * UNITS
    below *= rate
    below //= -UNITS
    high *= rate
    high -= below
    return high


def ceil_div(amounts: Amounts, whole_numbers: int | Amounts) -> Amounts:
    """Return ``amounts ÷ whole_numbers``, rounded up."""
    return -(-amounts // whole_numbers)


def share(amount: int, part: int, whole: int) -> int:
    """Return ``amount × part ÷ whole``, half-even; all of ``amount`` when part equals whole.

    In Python's own whole numbers: the product of an amount and a size does not fit 64 bits.
    """
    quotient, rest = divmod(amount * part, whole)
    return quotient + (2 * rest + (quotient & 1) > whole)
