"""The seeded exchange and its staff."""

from tests.console import clerk, exchange, staff, trader

__all__ = ["clerk", "exchange", "staff", "trader"]
