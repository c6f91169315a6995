"""What the policy was after each change, leverage limits included: both histories put together."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django.db import connection

from risk.policy import BY_TIER, COLUMNS, SEED, Policy, by_tier
from risk.selectors import columns

# Of each history the last change until a moment, one look into an index however long it is.
POLICIES_AFTER: Final = """
SELECT moment, leverage.by_tier, {policy}
FROM unnest(%s::timestamptz[]) AS moment
LEFT JOIN LATERAL (
    SELECT * FROM risk_historicalriskpolicy WHERE history_date <= moment
    ORDER BY history_date DESC, history_id DESC LIMIT 1
) AS policy ON true
CROSS JOIN LATERAL (
    SELECT coalesce(jsonb_object_agg(present.tier, to_jsonb(past)), '{}') AS by_tier
    FROM risk_leveragelimit AS present
    CROSS JOIN LATERAL (
        SELECT {limits} FROM risk_historicalleveragelimit
        WHERE tier = present.tier AND history_date <= moment
        ORDER BY history_date DESC, history_id DESC LIMIT 1
    ) AS past
) AS leverage
""".replace("{policy}", columns({name: f"policy.{name}" for name in COLUMNS})).replace(
    "{limits}", ", ".join(BY_TIER)
)


def policies_after(moments: Sequence[datetime]) -> dict[datetime, Policy]:
    """Return the policy as it was right after each moment.

    Histories begin with what the installation made, before which the policy counts as a new
    exchange has it; services write one more row with every change. What changed past them is not
    seen.
    """
    with connection.cursor() as cursor:
        cursor.execute(POLICIES_AFTER, [list(moments)])
        rows = cursor.fetchall()
    # Most moments share a policy, which is made once.
    policies = {said: policy_then(*said) for said in {(row[1], row[2:]) for row in rows}}
    return {row[0]: policies[row[1], row[2:]] for row in rows}


def policy_then(leverage: str, changed: Sequence[Any]) -> Policy:
    """Return the policy of a row: changed limits by tier, and columns if ever changed."""
    at_first = {tier: {"max_leverage": highest} for tier, highest in SEED.max_leverage}
    limits = at_first | json.loads(leverage, parse_float=Decimal)
    columns = {} if changed[0] is None else dict(zip(COLUMNS, changed, strict=True))
    return replace(SEED, **by_tier(limits), **columns)
