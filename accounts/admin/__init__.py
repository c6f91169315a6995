"""Users, API keys and the ledger in the staff console.

The page of an account is in ``trading.admin``: it shows what the account has at stake.
"""

from accounts.admin import keys, ledger, limits, log, users

__all__ = ["keys", "ledger", "limits", "log", "users"]
