"""The console's dashboard over 10,000 accounts, 1,000,000 orders and 30 days of KPI snapshots."""

import json
from decimal import Decimal
from functools import partial
from typing import Final

from benchmarks import population
from benchmarks.figures import Figure, at_most
from benchmarks.stage import Stage
from benchmarks.timing import median_of

TITLE = "The dashboard's data over 1,000,000 orders"

ACCOUNTS: Final = 10_000
PER_ACCOUNT: Final = 3
ORDERS: Final = 1_000_000
INSTRUMENTS: Final = 12
SLOWEST: Final = at_most(300)

# Every tenth order is a refused one.
ORDERS_SQL: Final = """
SET LOCAL session_replication_role = replica;
INSERT INTO trading_order (account_id, instrument_id, symbol, fingerprint, side, type, size,
                           leverage, reduce_only, liquidation, status, reject_code, reject_detail,
                           filled_size, average_price, required_margin, reserved_margin,
                           reserved_notional, venue, accepted_as, created_at, updated_at)
SELECT {account} + i % {accounts}, {instrument}, '{symbol}', '', 'buy', 'market', 1, 20, false,
       false, status, CASE i % 10 WHEN 0 THEN 'insufficient_margin' ELSE '' END, '',
       CASE i % 10 WHEN 0 THEN 0 ELSE 1 END, CASE i % 10 WHEN 0 THEN NULL ELSE 10 END, 0, 0, 0,
       'simulated', status, at, at
FROM generate_series(1, {orders}) AS i
CROSS JOIN LATERAL (
    SELECT CASE i % 10 WHEN 0 THEN 'REJECTED' ELSE 'FILLED' END AS status,
           now() - i * interval '2.592 seconds' AS at
) AS answered;
"""

# As they are kept: every 15 seconds of the last day, every minute of the 29 days before it.
SNAPSHOTS_SQL: Final = """
INSERT INTO kpi_kpisnapshot (slot, seconds, requests, errors, server_errors, latency_seconds,
                             latency_counts, auth_failures, rate_limit_hits, cache_outages,
                             orders_accepted, orders_rejected, rejections, trades, liquidations,
                             global_exposure, global_exposure_threshold, insurance_fund, bad_debt,
                             open_positions, accounts_near_liquidation, uptime, mark_age_seconds)
SELECT slot, 15, 300, 20, 0, 2, '{{0,20,180,250,270,285,290,293,296,298,299,300,300,300,300,300}}',
       1, 5, 0, 90, 10, '{{"insufficient_margin": 6, "leverage_exceeds_tier": 4}}', 90, 0,
       5000000, 10000000, 100000, 0, 30000, 12, 1, 0.5
FROM (
    SELECT to_timestamp(15 * floor(extract(epoch FROM now()) / 15) - 15 * i) AS slot
    FROM generate_series(0, 5759) AS i
    UNION
    SELECT to_timestamp(60 * floor(extract(epoch FROM now()) / 60) - 86400 - 60 * i)
    FROM generate_series(1, {days} * 1440) AS i
) AS slots;
INSERT INTO kpi_instrumentsnapshot (slot, instrument_id, mark_price, open_interest_long,
                                    open_interest_short, order_notional)
SELECT slot, instrument.id, mark_price, 100000, 90000, 0
FROM kpi_kpisnapshot CROSS JOIN market_instrument AS instrument;
"""


def measure(stage: Stage) -> list[Figure]:
    """Return how long the data of each window take, from the first query to the JSON text."""
    from kpi.dashboard.page import SHOWN_WINDOWS

    with stage.database("dashboard"):
        stage.say("loading accounts, positions, orders and snapshots")
        load(stage)
        stage.say("reading")
        return [
            Figure("orders", stage.scaled(ORDERS), "rows"),
            *(
                Figure(
                    f"data of {window}",
                    1000 * median_of([partial(read, window)] * 7),
                    "ms",
                    SLOWEST,
                )
                for window in SHOWN_WINDOWS
            ),
        ]


def load(stage: Stage) -> None:
    accounts = stage.scaled(ACCOUNTS)
    listed = population.list_instruments(
        [(f"SYM{number:02}USDT", Decimal(10 * number + 10)) for number in range(INSTRUMENTS)]
    )
    population.lift_limits()
    population.add_portfolios(accounts=accounts, per_account=PER_ACCOUNT, instruments=listed)
    population.execute(
        ORDERS_SQL.format(
            account=population.ACCOUNT_BASE,
            accounts=accounts,
            instrument=listed[0].id,
            symbol=listed[0].symbol,
            orders=stage.scaled(ORDERS),
        )
    )
    population.execute(SNAPSHOTS_SQL.format(days=3 if stage.quick else 29))
    population.settle()


def read(window: str) -> str:
    """Return the dashboard of a window as a superuser's page fetches it."""
    from accounts.models import User
    from kpi.dashboard.as_json import dashboard_json
    from kpi.dashboard.figures import get_dashboard

    return json.dumps(dashboard_json(get_dashboard(window=window), user=User(is_superuser=True)))
