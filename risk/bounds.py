"""Finds accounts in breach at a cost that follows what changed, not how many positions there are.

A generation fixes a reference price R for each instrument. With what each position requires at R,
and h, the highest rate of its instrument's maintenance ladder, 0 where it has none in force:

    b = (balance + Σ(q·R − cost) − Σrequired) ÷ Σ|q|·R·(1 + h)
    D = max |mark ÷ R − 1| over the instruments

Equity at the marks differs from its value at R by Σq·(mark − R), and what a position requires by
h·|q|·|mark − R| at most: together by D·Σ|q|·R·(1 + h). So an account with b ≥ D is not in breach,
and an index on (generation, b) gives the others, which are then looked at exactly. Bounds are
rounded down, so that division errs on the safe side. An account that traded or lost balance since
its bound was worked out is in ``TouchedAccount`` and is looked at exactly, whatever its bound says:
what is unknown denies.
"""

from decimal import Decimal
from typing import Final

from django.db import connection, transaction

from market.kernel.turns import Turn, wait_for_turn
from risk.bound_models import BoundGeneration

#: Beyond so many accounts whose bounds leave a doubt, one pass over all positions is cheaper.
MOST_DOUBTFUL: Final = 5_000
#: New bounds get new references once marks have moved so far from the last ones, as a share.
STALE_AFTER: Final = "0.0025"
#: Accounts on the oldest of more generations move to the newest.
MOST_GENERATIONS: Final = 64
RENEW_CHUNK: Final = 5_000

# D per generation; infinite where the threshold or the brackets in force have changed since.
SPREADS: Final = """
spread AS (
    SELECT generation.id,
           CASE WHEN generation.threshold = policy.liquidation_threshold
                    AND generation.brackets
                        = ladders_in_force(policy.margin_mode, policy.maintenance_brackets)
                THEN coalesce(max(abs(instrument.mark_price / reference.price - 1)), 0)
                ELSE 'Infinity' END AS deviation
    FROM risk_boundgeneration AS generation
    CROSS JOIN risk_riskpolicy AS policy
    LEFT JOIN risk_referenceprice AS reference ON reference.generation_id = generation.id
    LEFT JOIN market_instrument AS instrument ON instrument.id = reference.instrument_id
    GROUP BY generation.id, policy.id
)"""
FALLEN_BOUNDS: Final = """
SELECT bounded.account_id
FROM spread
CROSS JOIN LATERAL (
    SELECT account_id FROM risk_accountbound
    WHERE generation_id = spread.id AND bound < spread.deviation
    LIMIT {limit}
) AS bounded
"""
DOUBTFUL: Final = f"""
WITH {SPREADS}
SELECT account_id FROM (
    SELECT account_id FROM risk_touchedaccount
    UNION
    {FALLEN_BOUNDS.format(limit=MOST_DOUBTFUL + 1)}
) AS doubtful
LIMIT {MOST_DOUBTFUL + 1}
"""
# The exact rule, over the accounts that {accounts} leaves.
BREACHES: Final = """
SELECT user_id
FROM risk_standing
WHERE margin_slack(equity, required) < 0 AND {accounts}
ORDER BY account_id
"""
ALL_BREACHES: Final = BREACHES.format(accounts="true")
# Apart from the others, since a filter on a remainder misleads the planner.
SHARD_BREACHES: Final = BREACHES.format(accounts="account_id %% %(shards)s = %(shard)s")
DOUBTFUL_BREACHES: Final = BREACHES.format(accounts="account_id = ANY(%(doubtful)s)")


def users_in_breach(*, shard: int = 0, shards: int = 1) -> list[int]:
    """Return the ids of users whose equity is below what is required, by account.

    Several callers may share the accounts: each asks for its ``shard`` (from 0) of ``shards``.
    """
    with connection.cursor() as cursor:
        cursor.execute(DOUBTFUL)
        doubtful = [row[0] for row in cursor.fetchall()]
        if len(doubtful) > MOST_DOUBTFUL:
            return all_users_in_breach(shard=shard, shards=shards)
        mine = [account_id for account_id in doubtful if account_id % shards == shard]
        cursor.execute(DOUBTFUL_BREACHES, {"doubtful": mine})
        return [row[0] for row in cursor.fetchall()]


def all_users_in_breach(*, shard: int = 0, shards: int = 1) -> list[int]:
    """Return the same by one pass over all open positions."""
    with connection.cursor() as cursor:
        query = ALL_BREACHES if shards == 1 else SHARD_BREACHES
        cursor.execute(query, {"shard": shard, "shards": shards})
        return [row[0] for row in cursor.fetchall()]


# A price without a reference, another rule, or a long way from the last references.
NEEDS_GENERATION: Final = f"""
WITH {SPREADS}, newest AS (SELECT max(id) AS id FROM risk_boundgeneration)
SELECT EXISTS (
    SELECT 1 FROM market_instrument AS instrument
    WHERE instrument.mark_price IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM risk_referenceprice AS reference
        WHERE reference.instrument_id = instrument.id
            AND reference.generation_id = (SELECT id FROM newest)
    )
) OR EXISTS (
    SELECT 1 FROM spread
    WHERE spread.id = (SELECT id FROM newest) AND spread.deviation > {STALE_AFTER}
)
"""
NEW_GENERATION: Final = """
WITH generation AS (
    INSERT INTO risk_boundgeneration (threshold, brackets)
    SELECT liquidation_threshold, ladders_in_force(margin_mode, maintenance_brackets)
    FROM risk_riskpolicy RETURNING id
)
INSERT INTO risk_referenceprice (generation_id, instrument_id, price)
SELECT generation.id, instrument.id, instrument.mark_price
FROM generation, market_instrument AS instrument
WHERE instrument.mark_price IS NOT NULL
"""
# What generations were made for, by symbol.
LADDERS: Final = """
ladder AS MATERIALIZED (
    SELECT generation.id AS generation_id, line.*
    FROM risk_boundgeneration AS generation
    CROSS JOIN LATERAL maintenance_lines(generation.brackets) AS line
    WHERE generation.brackets <> ''
)"""
# b of the accounts in {whose}, unrounded and held against the references of {generation}, beside
# the stored one; true of those accounts alone whose every position has a reference.
EXACT_BOUNDS: Final = """
SELECT account.id AS account_id, bounded.bound AS stored,
       count(position.id) AS positions, count(reference.id) AS referenced,
       margin_slack(
           account.balance
           + sum(unrealized_pnl(position.quantity, reference.price, position.cost)),
           sum(required_equity(
               position.margin, generation.threshold,
               abs(position.quantity) * reference.price, ladder.rates, ladder.cumulatives))
       ) / sum(abs(position.quantity) * reference.price * (1 + coalesce(ladder.highest_rate, 0)))
       AS bound
FROM {whose} AS whose
JOIN accounts_account AS account ON account.id = whose.account_id
LEFT JOIN risk_accountbound AS bounded ON bounded.account_id = account.id
LEFT JOIN risk_boundgeneration AS generation ON generation.id = {generation}
LEFT JOIN risk_position AS position
    ON position.account_id = account.id AND position.status = 'OPEN'
LEFT JOIN risk_referenceprice AS reference
    ON reference.generation_id = generation.id
    AND reference.instrument_id = position.instrument_id
LEFT JOIN market_instrument AS instrument ON instrument.id = position.instrument_id
LEFT JOIN ladder ON ladder.generation_id = generation.id AND ladder.symbol = instrument.symbol
GROUP BY account.id, bounded.bound
"""
# One statement, one moment: what changes an account after it leaves a new mark behind.
RENEW: Final = f"""
WITH {SPREADS}, {LADDERS},
crowded AS (
    SELECT id FROM spread ORDER BY id DESC OFFSET {MOST_GENERATIONS}
),
wanted AS (
    (SELECT DISTINCT account_id FROM risk_touchedaccount LIMIT {RENEW_CHUNK})
    UNION
    ({FALLEN_BOUNDS.format(limit=RENEW_CHUNK)} WHERE spread.id < %(newest)s LIMIT {RENEW_CHUNK})
    UNION
    (SELECT account_id FROM risk_accountbound
     WHERE generation_id IN (SELECT id FROM crowded) LIMIT {RENEW_CHUNK})
),
exact AS (
    {EXACT_BOUNDS.format(whose="wanted", generation="%(newest)s")}
),
due AS (
    SELECT account_id, positions, bound FROM exact WHERE referenced >= positions
),
taken AS (
    DELETE FROM risk_touchedaccount AS touched USING due WHERE touched.account_id = due.account_id
),
flat AS (
    DELETE FROM risk_accountbound
    WHERE account_id IN (SELECT account_id FROM due WHERE positions = 0)
),
renewed AS (
    INSERT INTO risk_accountbound (account_id, generation_id, bound)
    SELECT account_id, %(newest)s, least(floor(bound * 1e7) / 1e7 - 1e-7, 1e6)
    FROM due WHERE positions > 0
    ON CONFLICT (account_id) DO UPDATE
        SET generation_id = excluded.generation_id, bound = excluded.bound
)
SELECT count(*) FROM due
"""
# Of accounts that nothing has touched since: a bound that is too high, or none beside positions.
UNSAFE: Final = f"""
WITH {LADDERS},
untouched AS (
    SELECT account.id AS account_id FROM accounts_account AS account WHERE NOT EXISTS (
        SELECT 1 FROM risk_touchedaccount AS touched WHERE touched.account_id = account.id
    )
),
exact AS (
    {EXACT_BOUNDS.format(whose="untouched", generation="bounded.generation_id")}
)
SELECT account_id, stored, bound FROM exact WHERE referenced < positions OR stored > bound
"""


def unsafe_bounds() -> list[tuple[int, Decimal | None, Decimal | None]]:
    """Return (account id, stored bound, exact bound) where a breach could be missed; never any."""
    with connection.cursor() as cursor:
        cursor.execute(UNSAFE)
        return cursor.fetchall()


def renew_bounds(*, most_chunks: int = 20) -> int:
    """Work out bounds of accounts that need a look, chunk by chunk; return of how many.

    Each chunk is its own transaction, so that what is done stays done. Losing bounds costs time,
    never a breach.
    """
    renewed = 0
    for _ in range(most_chunks):
        count = renew_chunk()
        renewed += count
        if count < RENEW_CHUNK:
            break
    return renewed


@transaction.atomic
def renew_chunk() -> int:
    """Work out the bounds of one chunk; one caller at a time, since a later one knows more."""
    wait_for_turn(Turn.RENEW_BOUNDS)
    with connection.cursor() as cursor:
        cursor.execute(NEEDS_GENERATION)
        if cursor.fetchone()[0]:
            cursor.execute(NEW_GENERATION)
        newest = BoundGeneration.objects.order_by("-pk").values_list("pk", flat=True).first()
        if newest is None:
            return 0
        cursor.execute(RENEW, {"newest": newest})
        count = int(cursor.fetchone()[0])
        drop_empty_generations(newest)
    return count


def drop_empty_generations(newest: int) -> None:
    """Forget generations that no bound refers to any more."""
    empty = BoundGeneration.objects.filter(pk__lt=newest, accountbound__isnull=True)
    empty.delete()
