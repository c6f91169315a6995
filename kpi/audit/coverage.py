"""Finds facts that should have an audit record and have none.

The conditions are those of the triggers in ``kpi/migrations/0002_guards.sql``.
"""

from collections.abc import Iterator, Mapping
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
    "price_halt": ("market_pricehalt", "true"),
    "manual_price": ("trading_manualprice", "true"),
    "admin_log": ("django_admin_log", "true"),
    "trading.kill": ("trading_kill", "fact.finished_at IS NOT NULL"),
    "trading.parkedanswer": ("trading_parkedanswer", "fact.settled_at IS NOT NULL"),
}
#: Of each kind, at most so many are named.
MOST: Final = 20
#: Ids before the last one that a check saw which are looked at again by the next: transactions
#: commit out of order.
OVERLAP: Final = 50_000

UNRECORDED: Final = """
SELECT fact.id FROM {table} AS fact
WHERE fact.id > %s AND ({condition}) AND NOT EXISTS (
    SELECT FROM kpi_auditrecord AS record WHERE record.reference = '{kind}:' || fact.id
)
ORDER BY fact.id LIMIT {most}
"""


def last_facts() -> dict[str, int]:
    """Return the last id of each kind of fact."""
    with connection.cursor() as cursor:
        return {
            kind: cursor.execute(f"SELECT coalesce(max(id), 0) FROM {table}").fetchone()[0]  # noqa: S608
            for kind, (table, _) in RECORDED.items()
        }


def unrecorded_facts(*, after: Mapping[str, int]) -> Iterator[str]:
    """Yield references (``order:17``) of facts without a record, the oldest of each kind.

    Where ``after`` names the last id of a kind that an earlier check saw, only those since then.
    """
    for kind, (table, condition) in RECORDED.items():
        query = UNRECORDED.format(kind=kind, table=table, condition=condition, most=MOST)
        with connection.cursor() as cursor:
            cursor.execute(query, [after.get(kind, 0) - OVERLAP])
            yield from (f"{kind}:{key}" for (key,) in cursor.fetchall())
