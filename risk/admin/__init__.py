"""Policy, positions and exposure in the staff console."""

from risk.admin import policy, positions

__all__ = ["policy", "positions"]
