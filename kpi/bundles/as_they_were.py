"""Tables whose rows change later: each row as it was at the end of the day.

Without what can no longer be told of that moment.
"""

from typing import Final

from accounts.models import Account, Transfer
from kpi.bundles.columns import columns, columns_of
from kpi.bundles.shapes import Table, by_then, within_day
from kpi.models import Alert
from market.models import PriceHalt
from risk.models import Position
from trading.models import OPEN_STATUSES, Order, OrderStatus, ParkedAnswer

WITH_ACCOUNT: Final = "JOIN accounts_account AS account ON account.id = one.account_id"
WITH_INSTRUMENT: Final = "JOIN market_instrument AS instrument ON instrument.id = one.instrument_id"
OPEN: Final = "({})".format(", ".join(f"'{status.value}'" for status in OPEN_STATUSES))
HAD_ENDED: Final = f"one.status NOT IN {OPEN} AND one.updated_at < %(end)s"
FILLED: Final = """
    CASE WHEN one.updated_at < %(end)s THEN one.filled_size ELSE (
        SELECT coalesce(sum(size), 0) FROM trading_trade AS trade
        WHERE trade.order_id = one.id AND trade.created_at < %(end)s
    ) END
""".replace("\n", " ")
SIGNED: Final = "CASE trade.side WHEN 'buy' THEN 1 ELSE -1 END * trade."
#: Nothing is summed up for what began and ended on the day, of which there may be many.
HELD: Final = f"""
    CROSS JOIN LATERAL (
        SELECT sum({SIGNED}size) FILTER (WHERE trade.created_at < %(start)s) AS before,
               sum({SIGNED}size) AS after, sum({SIGNED}notional + trade.realized_pnl) AS cost
        FROM trading_trade AS trade
        WHERE trade.account_id = one.account_id AND trade.instrument_id = one.instrument_id
            AND trade.created_at < %(end)s
            AND (one.opened_at < %(start)s OR coalesce(one.closed_at >= %(end)s, true))
    ) AS held
"""  # noqa: S608
BALANCES: Final = """(
    SELECT account_id AS id, sum(amount) FILTER (WHERE created_at < %(start)s) AS opening,
           sum(amount) AS closing
    FROM (
        SELECT credit_account_id, amount, created_at FROM accounts_transfer
        UNION ALL SELECT debit_account_id, -amount, created_at FROM accounts_transfer
    ) AS moved (account_id, amount, created_at)
    WHERE created_at < %(end)s GROUP BY 1
)"""

ORDERS: Final = Table(
    "orders",
    "Every order that was open at some moment of the day, or was refused or ended on it.",
    tuple(
        columns(f"""
            id integer
            created_at time
            account_id integer
            user_id integer account.user_id
            client_order_id text
            symbol text
            side text
            type text
            size wide_decimal
            price wide_decimal
            leverage integer
            reduce_only boolean
            liquidation boolean
            venue text
            status text CASE WHEN {HAD_ENDED} THEN one.status WHEN {FILLED} > 0 THEN \
                '{OrderStatus.PARTIALLY_FILLED.value}' ELSE '{OrderStatus.NEW.value}' END
            reject_code text CASE WHEN {HAD_ENDED} THEN one.reject_code END
            reject_detail text CASE WHEN {HAD_ENDED} THEN one.reject_detail END
            filled_size decimal {FILLED}
            average_price decimal CASE WHEN {HAD_ENDED} THEN one.average_price END
            ended_at time CASE WHEN {HAD_ENDED} THEN one.updated_at END
            required_margin decimal
            user_exposure_after decimal
            global_exposure_after decimal
        """)
    ),
    f"trading_order AS one {WITH_ACCOUNT}",
    f"one.created_at < %(end)s AND (one.updated_at >= %(start)s OR one.status IN {OPEN})",
    "one.id",
    (Order,),
)
POSITIONS: Final = Table(
    "positions",
    "Every position that was held at some moment of the day: how much before it and at its end.",
    tuple(
        columns(f"""
            id integer
            account_id integer
            user_id integer account.user_id
            symbol text instrument.symbol
            opened_at time
            status text CASE WHEN one.closed_at < %(end)s THEN one.status ELSE 'OPEN' END
            closed_at time {by_then("one.closed_at", "one.closed_at")}
            quantity_before decimal CASE WHEN one.opened_at < %(start)s THEN held.before ELSE 0 END
            quantity decimal CASE WHEN one.closed_at < %(end)s THEN 0 ELSE held.after END
            cost decimal CASE WHEN one.closed_at < %(end)s THEN 0 ELSE held.cost END
        """)
    ),
    f"risk_position AS one {WITH_ACCOUNT} {WITH_INSTRUMENT} {HELD}",
    within_day("one.opened_at", "one.closed_at"),
    "one.id",
    (Position,),
)
BALANCE_SHEET: Final = Table(
    "balances",
    "Every account with its balance before the day and at its end, summed up from all transfers.",
    tuple(
        columns("""
            account_id integer one.id
            kind text
            user_id integer
            opening decimal coalesce(total.opening, 0)
            closing decimal coalesce(total.closing, 0)
        """)
    ),
    f"accounts_account AS one LEFT JOIN {BALANCES} AS total USING (id)",
    "one.created_at < %(end)s OR total.id IS NOT NULL",
    "one.id",
    (Account, Transfer),
)
PRICE_HALTS: Final = Table(
    "price_halts",
    "Quotes beyond the price collar whose halts were in force on the day.",
    (
        *columns_of(PriceHalt, omit={"instrument_id", "released_at", "outcome", "stays_halted"}),
        *columns(f"""
            symbol text instrument.symbol
            released_at time {by_then("one.released_at", "one.released_at")}
            outcome text {by_then("one.outcome", "one.released_at")}
        """),
    ),
    f"market_pricehalt AS one {WITH_INSTRUMENT}",
    within_day("one.halted_at", "one.released_at"),
    "one.id",
    (PriceHalt,),
)
PARKED_ANSWERS: Final = Table(
    "parked_answers",
    "What a venue said and nobody booked unseen, waiting for staff on the day.",
    (
        *columns_of(ParkedAnswer, omit={"outcome", "reason", "settled_at", "settled_by_id"}),
        *columns(
            "\n".join(
                f"{name} {kind} {by_then(f'one.{name}', 'one.settled_at')}"
                for name, kind in (
                    ("settled_at", "time"),
                    ("settled_by_id", "integer"),
                    ("outcome", "text"),
                    ("reason", "text"),
                )
            )
        ),
    ),
    "trading_parkedanswer AS one",
    within_day("one.parked_at", "one.settled_at"),
    "one.id",
    (ParkedAnswer,),
)
ALERTS: Final = Table(
    "alerts",
    "Alerts that were open on the day; value and peak once they were resolved.",
    tuple(
        columns(f"""
            id integer
            rule_id integer
            kind text rule.kind
            subject text
            severity text
            threshold number
            opened_at time
            resolved_at time {by_then("one.resolved_at", "one.resolved_at")}
            value number {by_then("one.value", "one.resolved_at")}
            peak number {by_then("one.peak", "one.resolved_at")}
            acknowledged_at time {by_then("one.acknowledged_at", "one.acknowledged_at")}
            acknowledged_by_id integer {by_then("one.acknowledged_by_id", "one.acknowledged_at")}
        """)
    ),
    "kpi_alert AS one JOIN kpi_alertrule AS rule ON rule.id = one.rule_id",
    within_day("one.opened_at", "one.resolved_at"),
    "one.id",
    (Alert,),
)
