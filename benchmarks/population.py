"""Loads accounts and positions by set-based SQL, as sound as if they had been traded.

Ids start at bases that nothing else reaches, so that a captured statement shows where each goes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from django.db import connection, transaction

USER_BASE: Final = 910_000_000
ACCOUNT_BASE: Final = 920_000_000
POSITION_BASE: Final = 930_000_000
ORDER_BASE: Final = 940_000_000
OPENED_ORDER_BASE: Final = 950_000_000

# Triggers and foreign keys are off meanwhile: the balances are written beside their transfers.
ACCOUNTS = """
SET LOCAL session_replication_role = replica;
INSERT INTO accounts_user (id, username, password, first_name, last_name, email, is_superuser,
                           is_staff, is_active, date_joined, tier)
SELECT {user} + i, 'trader-' || i, '!', '', '', '', false, false, true, now(), 'advanced'
FROM generate_series({first}, {last}) AS i;
INSERT INTO accounts_account (id, kind, user_id, balance, suspended, created_at)
SELECT {account} + i, 'user', {user} + i, {balance}, false, now()
FROM generate_series({first}, {last}) AS i;
INSERT INTO accounts_transfer (kind, debit_account_id, credit_account_id, amount, reference,
                               reason, created_at)
SELECT 'deposit', (SELECT id FROM accounts_account WHERE kind = 'external'), {account} + i,
       {balance}, '', 'Opening balance', now()
FROM generate_series({first}, {last}) AS i;
"""

POSITIONS = """
SET LOCAL session_replication_role = replica;
INSERT INTO trading_order (id, account_id, instrument_id, symbol, fingerprint, side, type, size,
                           leverage, reduce_only, liquidation, status, reject_code, reject_detail,
                           filled_size, average_price, required_margin, reserved_margin,
                           reserved_notional, venue, accepted_as, created_at, updated_at)
SELECT {order} + i, {account} + i, {instrument}, '{symbol}', '', 'buy', 'market', {size}, 20,
       false, false, 'FILLED', '', '', {size}, {price}, {notional} / 20, 0, 0, 'simulated',
       'FILLED', now(), now()
FROM generate_series({first}, {last}) AS i;
INSERT INTO trading_trade (order_id, account_id, instrument_id, side, size, price, notional,
                           leverage, fee, realized_pnl, created_at)
SELECT {order} + i, {account} + i, {instrument}, 'buy', {size}, {price}, {notional}, 20, 0, 0,
       now()
FROM generate_series({first}, {last}) AS i;
INSERT INTO risk_position (id, account_id, instrument_id, quantity, cost, margin, leverage,
                           realized_pnl, status, opened_at)
SELECT {position} + i, {account} + i, {instrument}, {size}, {notional}, {notional} / 20, 20, 0,
       'OPEN', now()
FROM generate_series({first}, {last}) AS i;
"""

# Account i holds per_account positions in different instruments, long and short in turn, 1,000 to
# 4,000 USDT each, at a leverage of 2, 5, 10 or 20. One account in a thousand is frail: long only.
PORTFOLIOS = """
SET LOCAL session_replication_role = replica;
INSERT INTO risk_position (account_id, instrument_id, quantity, cost, margin, leverage,
                           realized_pnl, status, opened_at)
SELECT {account} + i, instrument.id, sized.quantity, sized.quantity * instrument.mark_price,
       ceil(abs(sized.quantity) * instrument.mark_price / leverage * 1e8) / 1e8, leverage, 0,
       'OPEN', now()
FROM generate_series(0, {last}) AS i
CROSS JOIN generate_series(0, {per_account} - 1) AS j
CROSS JOIN LATERAL (
    SELECT CASE WHEN i % 1000 = 0 THEN 20 ELSE (ARRAY[2, 5, 10, 20])[1 + i % 4] END AS leverage
) AS account
JOIN market_instrument AS instrument
    ON instrument.id = ({ids})[1 + (i + j * {stride}) % {instruments}]
CROSS JOIN LATERAL (
    SELECT round((1 + (i + j) % 4) * 1000 / instrument.mark_price, 4)
           * CASE WHEN i % 1000 = 0 OR j % 2 = 0 THEN 1 ELSE -1 END AS quantity
) AS sized;
"""

# Frail accounts breach when their positions lose 1.5 % of their notional, the others, whose margin
# takes up 5 to 90 % of the balance, when they lose 3 % or more.
PORTFOLIO_ACCOUNTS = """
SET LOCAL session_replication_role = replica;
INSERT INTO accounts_user (id, username, password, first_name, last_name, email, is_superuser,
                           is_staff, is_active, date_joined, tier)
SELECT {user} + i, 'trader-' || i, '!', '', '', '', false, false, true, now(), 'advanced'
FROM generate_series(0, {last}) AS i;
INSERT INTO accounts_account (id, kind, user_id, balance, suspended, created_at)
SELECT account_id, 'user', account_id - {account} + {user},
       round(sum(margin) / CASE WHEN account_id % 1000 = 0 THEN 1.25
                                ELSE 0.05 + 0.85 * (account_id * 7919 % 1000) / 1000 END, 2),
       false, now()
FROM risk_position GROUP BY account_id;
INSERT INTO accounts_transfer (kind, debit_account_id, credit_account_id, amount, reference,
                               reason, created_at)
SELECT 'deposit', (SELECT id FROM accounts_account WHERE kind = 'external'), id, balance, '',
       'Opening balance', now()
FROM accounts_account WHERE kind = 'user';
"""

EXPOSURE = """
UPDATE risk_instrumentexposure AS exposure
SET long_quantity = held.long, short_quantity = held.short
FROM (
    SELECT instrument_id, coalesce(sum(quantity) FILTER (WHERE quantity > 0), 0) AS long,
           coalesce(-sum(quantity) FILTER (WHERE quantity < 0), 0) AS short
    FROM risk_position WHERE status = 'OPEN' GROUP BY instrument_id
) AS held
WHERE exposure.instrument_id = held.instrument_id;
UPDATE risk_globalexposure SET total = (
    SELECT sum((long_quantity + short_quantity) * mark_price + order_notional)
    FROM risk_instrumentexposure
);
INSERT INTO risk_touchedaccount (account_id) SELECT DISTINCT account_id FROM risk_position;
ANALYZE;
"""

#: Wide enough that no load reaches a limit.
LIMITS = """
UPDATE risk_riskpolicy
SET global_exposure_threshold = 1e15, user_exposure_limit = 1e12, max_mark_age_seconds = 86400
"""


@dataclass(frozen=True, slots=True)
class Listed:
    """An instrument with the mark price it starts at, in USDT."""

    id: int
    symbol: str
    price: Decimal


def list_instruments(prices: Sequence[tuple[str, Decimal]]) -> list[Listed]:
    """List an instrument per (symbol, mark price) and run the first market step."""
    from market.services import list_instrument
    from trading.steps.by_hand import step_at_prices

    listed = []
    for symbol, price in prices:
        row = list_instrument(
            reason="A test",
            symbol=symbol,
            base_asset=symbol.removesuffix("USDT"),
            tick_size=Decimal("0.0001"),
            lot_size=Decimal("0.0001"),
            min_notional=Decimal(5),
        )
        listed.append(Listed(row.pk, symbol, price))
    step_at_prices(dict(prices))
    return listed


def lift_limits() -> None:
    execute(LIMITS)


def add_accounts(*, first: int, count: int, balance: Decimal) -> None:
    """Open accounts ``first`` to ``first + count − 1`` of advanced users, ``balance`` USDT each."""
    execute(
        ACCOUNTS.format(
            user=USER_BASE,
            account=ACCOUNT_BASE,
            first=first,
            last=first + count - 1,
            balance=balance,
        )
    )


def add_positions(*, first: int, count: int, instrument: Listed, size: Decimal) -> None:
    """Give each account a long position of ``size``, opened by an order at the mark and 20x."""
    execute(
        POSITIONS.format(
            order=OPENED_ORDER_BASE,
            account=ACCOUNT_BASE,
            position=POSITION_BASE,
            instrument=instrument.id,
            symbol=instrument.symbol,
            size=size,
            price=instrument.price,
            notional=size * instrument.price,
            first=first,
            last=first + count - 1,
        )
    )


def add_portfolios(*, accounts: int, per_account: int, instruments: Sequence[Listed]) -> None:
    """Open ``accounts`` accounts with ``per_account`` positions each, without their trades."""
    names = {
        "user": USER_BASE,
        "account": ACCOUNT_BASE,
        "last": accounts - 1,
        "per_account": per_account,
        "ids": f"ARRAY{[instrument.id for instrument in instruments]}",
        "instruments": len(instruments),
        "stride": len(instruments) // per_account,
    }
    execute(PORTFOLIOS.format(**names))
    execute(PORTFOLIO_ACCOUNTS.format(**names))


def settle() -> None:
    """Bring exposure rows, breach bounds and the planner's statistics up to what was loaded."""
    from risk.bounds import renew_bounds

    execute(EXPOSURE)
    while renew_bounds():
        pass
    execute("ANALYZE")


def issue_keys(count: int) -> list[str]:
    """Issue an API key to each of the first ``count`` accounts' users and return the keys."""
    from accounts.keys import issue_api_key
    from accounts.models import User

    users = User.objects.filter(pk__gte=USER_BASE).order_by("pk")[:count]
    return [issue_api_key(reason="A test", user=user)[1] for user in users]


@transaction.atomic
def execute(statements: str) -> None:
    """Run statements without parameters in one transaction."""
    with connection.cursor() as cursor:
        for statement in statements.split(";\n"):
            if statement.strip():
                cursor.execute(statement)
