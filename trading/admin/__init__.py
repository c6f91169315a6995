"""Orders, trades, close-outs, market steps and accounts in the staff console."""

from trading.admin import accounts, clock, liquidations, orders

__all__ = ["accounts", "clock", "liquidations", "orders"]
