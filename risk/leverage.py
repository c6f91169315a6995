"""Which leverage an order gets."""


def resolve_leverage(asked: int | None, max_leverage: int) -> int | None:
    """Return the leverage of an order: as asked, else the highest; None when above it."""
    if asked is None:
        return max_leverage
    return asked if asked <= max_leverage else None
