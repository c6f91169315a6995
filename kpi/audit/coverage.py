"""Finds facts that should have an audit record and have none.

The conditions are those of the triggers in the migration ``audit_capture``.
"""

from collections.abc import Iterator
from typing import Final

from django.db import connection

#: By the kind of a fact's reference: its table and which of its rows are recorded.
RECORDED: Final = {
    "order": (
        "trading_order",
        "fact.status = 'REJECTED' OR fact.status = 'EXPIRED' AND fact.reject_code <> ''",
    ),
    "liquidation": ("trading_liquidation", "true"),
    "transfer": (
        "accounts_transfer",
        "fact.kind IN ('deposit', 'withdrawal', 'adjustment') OR fact.created_by_id IS NOT NULL",
    ),
    "admin_log": ("django_admin_log", "true"),
    "trading.parkedanswer": ("trading_parkedanswer", "fact.settled_at IS NOT NULL"),
}
#: Of each kind, at most so many are named.
MOST: Final = 20

UNRECORDED: Final = """
SELECT fact.id FROM {table} AS fact
WHERE ({condition}) AND NOT EXISTS (
    SELECT FROM kpi_auditrecord AS record WHERE record.reference = '{kind}:' || fact.id
)
ORDER BY fact.id LIMIT {most}
"""


def unrecorded_facts() -> Iterator[str]:
    """Yield references (``order:17``) of facts without a record, the oldest of each kind."""
    for kind, (table, condition) in RECORDED.items():
        query = UNRECORDED.format(kind=kind, table=table, condition=condition, most=MOST)
        with connection.cursor() as cursor:
            cursor.execute(query)
            yield from (f"{kind}:{key}" for (key,) in cursor.fetchall())
