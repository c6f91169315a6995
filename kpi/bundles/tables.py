"""Which tables a day has, and what of them: the rows of the day as they were at its end.

A row that changes later is written as it was, or without what can no longer be told of that
moment, so that whoever exports the day again gets the same. docs/bundles.md lists them.
"""

from typing import Final

from django.contrib.admin.models import LogEntry

from accounts.models import Account, AccountPolicy, RateLimit, Transfer, User
from kpi.audit.models import AuditCheck
from kpi.bundles.columns import Column, columns, columns_of, kind_of
from kpi.bundles.shapes import Table, at_the_end, by_then, changes, facts, of_day, within_day
from kpi.history.figures import COLUMNS, INSTRUMENT_COLUMNS
from kpi.history.thinning import VALUES
from kpi.models import (
    Alert,
    AlertDelivery,
    AlertRule,
    Heartbeat,
    InstrumentSnapshot,
    KpiSnapshot,
    LedgerCheck,
)
from market.models import Instrument, KeptCandle, PriceHalt, PriceTick
from risk.models import LeverageLimit, Position, RiskPolicy
from trading.models import (
    OPEN_STATUSES,
    Kill,
    Liquidation,
    ManualPrice,
    Order,
    OrderStatus,
    ParkedAnswer,
    Trade,
)

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
MINUTE: Final = "date_bin('1 minute', slot, 'epoch')"

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
KPIS: Final = Table(
    "kpis",
    "The KPIs of each minute, requests, refusals and latencies among them, as charts have them.",
    (
        Column("minute", "time", "one.minute"),
        *(
            Column(one.name, kind_of(KpiSnapshot._meta.get_field(one.name)), f"one.{one.name}")  # type: ignore[arg-type]
            for one in COLUMNS
        ),
    ),
    f"""(
        SELECT {MINUTE} AS minute, {VALUES} FROM kpi_kpisnapshot
        WHERE {of_day("slot")} GROUP BY 1
    ) AS one""",  # noqa: S608
    "true",
    "one.minute",
    (KpiSnapshot,),
)
KPIS_BY_INSTRUMENT: Final = Table(
    "kpis_by_instrument",
    "What was held and ordered of each instrument at the end of each minute.",
    (
        Column("minute", "time", "date_bin('1 minute', one.slot, 'epoch')"),
        Column("symbol", "text", "instrument.symbol"),
        *(Column(one.name, "decimal", f"one.{one.name}") for one in INSTRUMENT_COLUMNS),
    ),
    f"kpi_instrumentsnapshot AS one {WITH_INSTRUMENT}",
    f"""one.slot IN (
        SELECT max(slot) FROM kpi_kpisnapshot WHERE {of_day("slot")} GROUP BY {MINUTE}
    )""",  # noqa: S608
    "one.slot, instrument.symbol",
    (InstrumentSnapshot, KpiSnapshot),
)
STAFF_LOG: Final = facts(
    LogEntry,
    "What staff did in the console, as its staff log has it.",
    "action_time",
    name="staff_log",
    omit=("content_type_id",),
    extra="model text kind.app_label || '.' || kind.model",
    joined="LEFT JOIN django_content_type AS kind ON kind.id = one.content_type_id",
)

TABLES: Final = (
    ORDERS,
    facts(
        Trade,
        "Every fill, of close-outs too.",
        "created_at",
        extra="user_id integer account.user_id\nsymbol text instrument.symbol",
        joined=f"{WITH_ACCOUNT} {WITH_INSTRUMENT}",
        omit=("instrument_id",),
    ),
    facts(Transfer, "Every movement of money, from a debit to a credit account.", "created_at"),
    BALANCE_SHEET,
    POSITIONS,
    facts(
        Liquidation,
        "Every close-out of an account, with what it was before and after.",
        "created_at",
        extra="user_id integer account.user_id",
        joined=WITH_ACCOUNT,
    ),
    facts(
        PriceTick,
        "Every mark price, as market steps set it.",
        "created_at",
        name="ticks",
        extra="symbol text instrument.symbol",
        joined=WITH_INSTRUMENT,
        omit=("instrument_id",),
    ),
    facts(
        KeptCandle,
        "The same as candles of a minute.",
        "open_time",
        name="candles",
        extra="symbol text instrument.symbol",
        joined=WITH_INSTRUMENT,
        omit=("id", "instrument_id", "seconds"),
        where=" AND one.seconds = 60",
        order="one.open_time, instrument.symbol",
    ),
    PRICE_HALTS,
    facts(
        ManualPrice,
        "Mark prices that a person set.",
        "created_at",
        name="manual_prices",
        extra="symbol text instrument.symbol",
        joined=WITH_INSTRUMENT,
        omit=("instrument_id",),
    ),
    PARKED_ANSWERS,
    facts(
        Kill,
        "What was halted or let only reduce, and how many open orders were cancelled for it.",
        "finished_at",
        name="kills",
    ),
    at_the_end(Instrument, "instruments", "Every instrument with its rules at the day's end."),
    at_the_end(User, "users", "Every user with tier and rights at the day's end."),
    changes(RiskPolicy, "risk_policy_changes", "The risk policy after each change of the day."),
    changes(LeverageLimit, "leverage_limit_changes", "Leverage limits after each change."),
    changes(AccountPolicy, "account_policy_changes", "The account policy after each change."),
    changes(RateLimit, "rate_limit_changes", "Rate limits of tiers after each change."),
    changes(Instrument, "instrument_changes", "Rules and halts of instruments after each change."),
    changes(AlertRule, "alert_rule_changes", "Alert rules after each change."),
    changes(User, "user_changes", "Tiers and rights of users after each change."),
    KPIS,
    KPIS_BY_INSTRUMENT,
    ALERTS,
    facts(
        AlertDelivery,
        "Messages that the webhook has received.",
        "delivered_at",
        name="alert_deliveries",
        omit=("next_attempt_at",),
    ),
    facts(
        LedgerCheck,
        "What checks of the ledger found.",
        "checked_at",
        name="ledger_checks",
    ),
    facts(
        AuditCheck,
        "What checks of the audit trail found.",
        "checked_at",
        name="audit_checks",
    ),
    facts(
        Heartbeat,
        "When the worker lived, by which uptime is told.",
        "beat_at",
        name="heartbeats",
        omit=("id",),
        order="one.beat_at",
    ),
    STAFF_LOG,
)
