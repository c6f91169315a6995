"""What an account's accepted orders that may open came to, where a control adds that up."""

from decimal import Decimal
from typing import Final

from django.db import connection
from django.utils import timezone

from risk.state import MINUTE

# What the account's orders came to, and what they had by a minute ago: an index of those alone
# knows either. The former goes by no clock, since those of web processes differ.
SENT: Final = """
        SELECT max(own.sent_total) FROM trading_order AS own
        WHERE own.account_id = account.id AND own.sent_total IS NOT NULL"""
SENT_BEFORE: Final = """
        SELECT own.sent_total FROM trading_order AS own
        WHERE own.account_id = account.id AND own.sent_total IS NOT NULL
        AND own.created_at <= %(minute_ago)s
        ORDER BY own.created_at DESC, own.sent_total DESC LIMIT 1"""
SENT_IN_MINUTE: Final = f"""
SELECT coalesce((
        {SENT}
    ), 0) - coalesce((
        {SENT_BEFORE}
    ), 0)
FROM accounts_account AS account WHERE account.id = %(account)s
"""  # noqa: S608


def sent_in_minute(*, account_id: int) -> Decimal:
    """Return what an account sent in the last minute, in USDT."""
    minute_ago = timezone.now() - MINUTE
    with connection.cursor() as cursor:
        cursor.execute(SENT_IN_MINUTE, {"account": account_id, "minute_ago": minute_ago})
        return Decimal(cursor.fetchone()[0])
