"""The market of the trading tests, for what risk reads of it."""

from tests.trading.conftest import market, marks, trader

__all__ = ["market", "marks", "trader"]
