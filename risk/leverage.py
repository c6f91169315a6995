"""Which leverage an order gets."""

from typing import Final

#: The highest that a policy may say, which its columns hold.
HIGHEST_LEVERAGE: Final = 2**15 - 1


def resolve_leverage(asked: int | None, max_leverage: int) -> int | None:
    """Return the leverage of an order: as asked, else the highest; None when above it."""
    if asked is None:
        return max_leverage
    return asked if asked <= max_leverage else None
