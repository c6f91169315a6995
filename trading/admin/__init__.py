"""Orders and what became of them, market steps, instruments and accounts in the staff console."""

from trading.admin import accounts, clock, instruments, kills, liquidations, orders, parked

__all__ = ["accounts", "clock", "instruments", "kills", "liquidations", "orders", "parked"]
