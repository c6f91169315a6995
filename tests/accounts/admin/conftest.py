"""The seeded exchange and its staff."""

from tests.console import clerk, exchange, seeded, staff, trader

__all__ = ["clerk", "exchange", "seeded", "staff", "trader"]
