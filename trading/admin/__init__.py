"""Orders, trades, close-outs, market steps, instruments and accounts in the staff console."""

from trading.admin import accounts, clock, instruments, liquidations, orders

__all__ = ["accounts", "clock", "instruments", "liquidations", "orders"]
