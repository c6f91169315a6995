"""Which tables a day has, and what of them: the rows of the day as they were at its end.

A row that changes later is written as it was, or without what can no longer be told of that
moment, so that whoever exports the day again gets the same. docs/bundles.md lists them.
"""

from typing import Final

from django.contrib.admin.models import LogEntry

from accounts.models import AccountPolicy, RateLimit, Transfer, User
from kpi.audit.models import AuditCheck
from kpi.bundles.as_they_were import (
    ALERTS,
    BALANCE_SHEET,
    ORDERS,
    PARKED_ANSWERS,
    POSITIONS,
    PRICE_HALTS,
    WITH_ACCOUNT,
    WITH_INSTRUMENT,
)
from kpi.bundles.columns import Column, kind_of
from kpi.bundles.shapes import Table, at_the_end, changes, facts, of_day
from kpi.history.figures import COLUMNS, INSTRUMENT_COLUMNS
from kpi.history.thinning import VALUES
from kpi.models import (
    AlertDelivery,
    AlertRule,
    Heartbeat,
    InstrumentSnapshot,
    KpiSnapshot,
    LedgerCheck,
)
from market.models import Instrument, KeptCandle, PriceTick
from risk.models import LeverageLimit, RiskPolicy
from trading.models import (
    Kill,
    Liquidation,
    ManualPrice,
    Trade,
)

MINUTE: Final = "date_bin('1 minute', slot, 'epoch')"

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
