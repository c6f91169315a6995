"""A market and its traders, as the trading tests have them."""

from tests.trading.conftest import market, trader

__all__ = ["market", "trader"]
