"""A small market with traders of each tier, and the console's staff."""

from tests.console import clerk, exchange, seeded, staff
from tests.trading.conftest import insurance, market, marks, trader

__all__ = ["clerk", "exchange", "insurance", "market", "marks", "seeded", "staff", "trader"]
