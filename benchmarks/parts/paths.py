"""The charts of two accounts with 100,000 trades each over 30 days, and of an instrument."""

import json
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Final

from benchmarks import population
from benchmarks.figures import Figure, at_most
from benchmarks.stage import Stage
from benchmarks.timing import median_of

TITLE = "The path to liquidation of an account with 100,000 trades"

TRADES: Final = 100_000
INSTRUMENTS: Final = 10
SLOWEST: Final = at_most(300)
TURNS: Final = 7
WINDOWS: Final = ("1h", "24h", "7d", "30d", "all")

# The first account buys twice and sells twice, of one instrument after the other, and is flat in
# between; the second one, which bought a hundred at first, never is. Every fourth order is refused.
HISTORY_SQL: Final = """
SET LOCAL session_replication_role = replica;
UPDATE accounts_account SET created_at = now() - interval '30 days' WHERE id >= {account};
INSERT INTO trading_order (id, account_id, instrument_id, symbol, fingerprint, side, type, size,
                           leverage, reduce_only, liquidation, status, reject_code, reject_detail,
                           filled_size, average_price, required_margin, reserved_margin,
                           reserved_notional, venue, accepted_as, created_at, updated_at)
SELECT {order} + 2 * i + n, {account} + n, instrument.id, instrument.symbol, '', side, 'market',
       size, 20, false, false, status, CASE i % 4 WHEN 0 THEN 'insufficient_margin' ELSE '' END,
       '', CASE i % 4 WHEN 0 THEN 0 ELSE size END, CASE i % 4 WHEN 0 THEN NULL ELSE 10 END,
       0, 0, 0, 'simulated', status, at, at
FROM generate_series(4, {trades} + 3) AS i CROSS JOIN generate_series(0, 1) AS n
CROSS JOIN LATERAL (
    SELECT CASE n WHEN 0 THEN 1 + i / 4 % {instruments} ELSE 1 END AS number,
           CASE WHEN CASE n WHEN 0 THEN i % 4 IN (0, 1) ELSE i % 2 = 0 END
                THEN 'buy' ELSE 'sell' END AS side,
           CASE WHEN n = 1 AND i = 4 THEN 100 ELSE 1 END AS size,
           CASE i % 4 WHEN 0 THEN 'REJECTED' ELSE 'FILLED' END AS status,
           now() - ({trades} + 3 - i) * interval '2592000 seconds' / {trades} AS at
) AS one
JOIN market_instrument AS instrument ON instrument.id = ({ids})[number];
INSERT INTO trading_trade (order_id, account_id, instrument_id, side, size, price, notional,
                           leverage, fee, realized_pnl, created_at)
SELECT id, account_id, instrument_id, side, size, 10, 10 * size, 20, 0.01, 0, created_at
FROM trading_order WHERE account_id >= {account} ORDER BY id;
INSERT INTO accounts_transfer (kind, debit_account_id, credit_account_id, amount, reference,
                               reason, created_at)
SELECT 'fee', account_id, (SELECT id FROM accounts_account WHERE kind = 'fees'), fee,
       'order:' || order_id, '', created_at
FROM trading_trade WHERE account_id >= {account} ORDER BY id;
INSERT INTO risk_position (account_id, instrument_id, quantity, cost, margin, leverage,
                           realized_pnl, status, opened_at, closed_at)
SELECT {account}, opening.instrument_id, 0, 0, 0, 20, 0, 'CLOSED', opening.created_at,
       closing.created_at
FROM generate_series(4, {trades}, 4) AS i
JOIN trading_order AS opening ON opening.id = {order} + 2 * i
JOIN trading_order AS closing ON closing.id = {order} + 2 * (i + 3) ORDER BY i;
INSERT INTO risk_position (account_id, instrument_id, quantity, cost, margin, leverage,
                           realized_pnl, status, opened_at)
VALUES ({account} + 1, ({ids})[1], 99, 990, 49.5, 20, 0, 'OPEN', now() - interval '30 days');
INSERT INTO market_keptcandle (instrument_id, seconds, open_time, open, high, low, close, ticks)
SELECT instrument.id, seconds,
       date_bin(make_interval(secs => seconds), now(), 'epoch')
           - make_interval(secs => i * seconds), 10, 10.5, 9.5, 10, 60
FROM market_instrument AS instrument
CROSS JOIN unnest(ARRAY[60, 3600]) AS seconds
CROSS JOIN LATERAL generate_series(1, 2592000 / seconds) AS i;
"""


def measure(stage: Stage) -> list[Figure]:
    """Return how long the data of each chart take, from the first query to the JSON text."""
    with stage.database("paths"):
        stage.say(f"loading two accounts with {stage.scaled(TRADES):,} trades each")
        load(stage)
        stage.say("reading")
        return [
            Figure("trades of each account", stage.scaled(TRADES), "rows"),
            *(figure(f"often flat, {window}", partial(read, 0, window)) for window in WINDOWS),
            *(figure(f"never flat, {window}", partial(read, 1, window)) for window in WINDOWS),
            figure("candles of an instrument", candles),
        ]


def figure(name: str, call: Callable[[], object]) -> Figure:
    call()
    return Figure(name, 1000 * median_of([call] * TURNS), "ms", SLOWEST)


def load(stage: Stage) -> None:
    listed = population.list_instruments(
        [(f"SYM{number:02}USDT", Decimal(10)) for number in range(INSTRUMENTS)]
    )
    population.lift_limits()
    population.add_accounts(first=0, count=2, balance=Decimal(1_000_000))
    population.execute(
        HISTORY_SQL.format(
            account=population.ACCOUNT_BASE,
            order=population.ORDER_BASE,
            trades=stage.scaled(TRADES),
            instruments=INSTRUMENTS,
            ids=f"ARRAY{[instrument.id for instrument in listed]}",
        )
    )
    population.settle()


def read(number: int, window: str) -> str:
    """Return the data of an account's chart as its page fetches them."""
    from django.utils import timezone

    from accounts.models import Account
    from kpi.paths.account_json import chart_json
    from kpi.paths.subjects import of_account

    account = Account.objects.get(pk=population.ACCOUNT_BASE + number)
    return json.dumps(chart_json(of_account(account, ""), window=window, now=timezone.now()))


def candles() -> str:
    """Return the newest candles of an instrument in the same way."""
    from django.utils import timezone

    from kpi.paths.instrument_bars import bars_of
    from kpi.paths.instrument_json import bars_json
    from market.models import Instrument

    instrument = Instrument.objects.order_by("id")[0]
    return json.dumps(
        bars_json(bars_of(instrument, interval="1m", until=timezone.now()), instrument)
    )
