"""Exact decimals: amounts carry eight places, and no step before the rounding loses a digit."""

from decimal import (
    ROUND_CEILING,
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    InvalidOperation,
    Overflow,
)
from typing import Any, Final

#: The smallest amount that the ledger knows.
UNIT: Final = Decimal("0.00000001")
ZERO: Final = Decimal("0.00000000")

#: Wide enough for every product and quotient of stored numbers, so that rounding happens once.
EXACT: Final = Context(
    prec=100, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow]
)

#: Keyword arguments of a model field that holds an amount, a price or a size.
AMOUNT_FIELD: Final[dict[str, Any]] = {"max_digits": 28, "decimal_places": 8}

#: The largest values of an ``AMOUNT_FIELD`` column and of one that holds a rate.
LARGEST_AMOUNT: Final = Decimal("99999999999999999999.99999999")
LARGEST_RATE: Final = Decimal("9999.99999999")

#: Sizes and prices in requests stay below this bound, so that every notional fits its column.
LARGEST_INPUT: Final = Decimal("1000000000")


def round_half_even(value: Decimal) -> Decimal:
    """Return ``value`` with eight places, ties to the even digit."""
    return EXACT.quantize(value, UNIT)


def round_up(value: Decimal) -> Decimal:
    """Return ``value`` with eight places, rounded towards plus infinity."""
    return value.quantize(UNIT, rounding=ROUND_CEILING, context=EXACT)


def round_to_multiple(value: Decimal, step: Decimal) -> Decimal:
    """Return the multiple of ``step`` nearest to ``value``, ties to the even multiple."""
    multiples = EXACT.divide(value, step).quantize(Decimal(1), ROUND_HALF_EVEN, context=EXACT)
    return round_half_even(EXACT.multiply(multiples, step))


def is_valid_multiple(value: Decimal, step: Decimal) -> bool:
    """Tell whether a size or a price is positive, of a sane magnitude and a multiple of a step."""
    return value.is_finite() and 0 < value < LARGEST_INPUT and is_multiple(value, step)


def is_multiple(value: Decimal, step: Decimal) -> bool:
    """Tell whether ``value`` is a whole number of ``step``."""
    return EXACT.remainder(value, step) == 0


def plain(value: Decimal) -> str:
    """Write a decimal without trailing zeros or an exponent, and with all of its other digits."""
    return f"{value.normalize(EXACT):f}"


def percent(share: Decimal) -> str:
    """Write a share in percent, as exactly as a collar is stored."""
    return f"{plain(round_half_even(share) * 100)} %"


def move(before: Decimal, after: Decimal) -> Decimal:
    """Return the way from one price to another as a share of the first."""
    return EXACT.divide(EXACT.subtract(after, before), before)


def describe_move(before: Decimal, after: Decimal) -> str:
    """Write the way from one price to another in percent, with its sign."""
    share = move(before, after)
    return f"{'−' if share < 0 else '+'}{percent(abs(share))}"
