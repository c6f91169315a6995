"""Whether a column is guarded, or recorded in the audit trail, was decided of every one.

What the triggers list is read from the database's catalog. What they leave out stands here with
its reason, so that a new column fails until somebody decides about it.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.apps import apps
from django.db import connection

pytestmark = pytest.mark.django_db

Columns = dict[str, set[str]]
Reasons = dict[str, dict[str, str]]

KEY = "a primary key, which what refers to the row holds on to"
BY_FILL = "moves with fills until the end"
BY_END = "written with the end"
BY_SETTLING = "written when staff settle it"
BY_RELEASE = "written when staff release it"
BY_TERMS = "staff change the terms; recorded in the audit trail"
BY_LIMIT = "staff change the limits; recorded in the audit trail"
BY_CLAIM = "written when a process claims it"
BY_RESULT = "written with the result, and then final"
PRIVATE = "a person's own, no right and no limit"
OF_MARKET = "moves with the market, by no person's choice"

#: Columns that may change in a row of which triggers guard others.
UNGUARDED: Reasons = {
    "accounts_account": {
        "suspended": "staff suspend and resume; recorded in the audit trail",
        "reducing": "staff set and end it; recorded in the audit trail",
        "throttled": "written with reducing, by the throttle alone",
        "fills_before": "written with reducing, by the throttle alone",
        "created_at": "only shown, in no rule",
    },
    "accounts_apikey": {
        "label": "a name for people",
        "created_at": "only shown, in no rule",
        "last_used_at": "written with use",
        "scopes": BY_TERMS,
        "expires_at": BY_TERMS,
        "networks": BY_TERMS,
    },
    "accounts_ratelimit": {
        "requests_per_minute": BY_LIMIT,
        "orders_per_minute": BY_LIMIT,
        "orders_per_10_seconds": BY_LIMIT,
    },
    "kpi_audithead": {
        "hash": "written with a later sequence",
        "sealed_at": "written with a later sequence",
    },
    "kpi_auditrecord": {
        "previous_hash": "written by sealing, with the sequence",
        "hash": "written by sealing, with the sequence",
    },
    "kpi_labcell": {
        "state": "moves on until it is done, and then never",
        "metrics": BY_RESULT,
        "series": BY_RESULT,
        "digest": BY_RESULT,
        "cpu_seconds": BY_RESULT,
        "error": "written when it fails, emptied when it is tried again",
        "claimed_by": BY_CLAIM,
        "claimed_at": BY_CLAIM,
        "finished_at": BY_RESULT,
    },
    "kpi_labstudy": {
        "name": "a name for people",
        "question": "for people",
        "source": "the digest tells what matters in it",
        "path": "files may move",
        "tapes": "files may move",
        "created_at": "only shown, in no rule",
        "created_by_id": "only shown, in no rule",
        "manifest": "follows its cells",
        "comparison": "follows its cells",
    },
    "market_pricehalt": {
        "released_at": BY_RELEASE,
        "outcome": BY_RELEASE,
        "stays_halted": "staff may halt the instrument too, until it is released",
    },
    "risk_position": {
        "quantity": BY_FILL,
        "cost": BY_FILL,
        "margin": BY_FILL,
        "leverage": BY_FILL,
        "realized_pnl": BY_FILL,
        "status": BY_END,
        "closed_at": BY_END,
    },
    "trading_kill": {"finished_at": BY_END},
    "trading_order": {
        "average_price": BY_FILL,
        "reserved_margin": BY_FILL,
        "reserved_notional": BY_FILL,
        "reject_code": BY_END,
        "reject_detail": BY_END,
        "triggered_at": "written when the mark reaches it",
        "updated_at": "follows every change",
    },
    "trading_parkedanswer": {
        "outcome": BY_SETTLING,
        "reason": BY_SETTLING,
        "settled_at": BY_SETTLING,
        "settled_by_id": BY_SETTLING,
    },
}

WHOLE = (
    "accounts_accountpolicy",
    "accounts_ratelimit",
    "accounts_transfer",
    "kpi_alertrule",
    "risk_leveragelimit",
    "risk_riskpolicy",
    "trading_kill",
    "trading_liquidation",
    "trading_parkedanswer",
)
#: Columns that an audit record of the row does not hold, or whose change makes none.
UNRECORDED: Reasons = {
    "accounts_account": {
        "kind": "never changes",
        "balance": "its transfers are recorded",
        "throttled": "the reason of the record that reducing is set by",
        "fills_before": "where the throttle's count begins; it is told by the record of reducing",
        "created_at": "never changes",
    },
    "accounts_apikey": {
        "key_hash": "the secret's digest; the prefix names the key",
        "last_used_at": "written with use",
    },
    "accounts_user": {
        "id": KEY,
        "password": PRIVATE,
        "last_login": PRIVATE,
        "first_name": PRIVATE,
        "last_name": PRIVATE,
        "email": PRIVATE,
        "date_joined": "only shown, in no rule",
    },
    "market_instrument": {
        "id": KEY,
        "mark_price": OF_MARKET,
        "marked_at": OF_MARKET,
        "mark_source": OF_MARKET,
        "market_time": OF_MARKET,
        "realized_range": OF_MARKET,
        "stepped_at": OF_MARKET,
    },
    "market_pricehalt": {
        "released_at": "the price that the release set is recorded, and so is the instrument",
        "outcome": "the price that the release set is recorded, and so is the instrument",
        "stays_halted": "the instrument is recorded",
    },
    "trading_order": {
        "instrument_id": "the symbol is recorded",
        "fingerprint": "a digest of what is recorded",
        "liquidation": "the close-out is recorded",
        "average_price": "in its trades, which never change",
        "required_margin": "nothing is required of a refused order",
        "reserved_margin": "an order that ended reserves nothing",
        "reserved_notional": "an order that ended reserves nothing",
        "accepted_as": "fixed once it is given",
        "answered_filled_size": "fixed once it is given",
        "answered_average_price": "fixed once it is given",
        "user_exposure_after": "fixed from the beginning",
        "global_exposure_after": "fixed from the beginning",
        "sent_total": "nothing is counted of a refused order",
        "triggered_at": OF_MARKET,
    },
    # Each row's record names every column.
    "accounts_user_groups": {},
    "accounts_user_user_permissions": {},
    "auth_group_permissions": {},
    "django_admin_log": {},
    "trading_manualprice": {},
    # Each row is recorded as a whole, whatever columns it has.
    **{table: {} for table in WHOLE},
}

TRIGGERS = """
SELECT tgrelid::regclass::text, proname, prosrc, pg_get_triggerdef(pg_trigger.oid),
       ARRAY(SELECT attname::text FROM pg_attribute
             WHERE attrelid = tgrelid AND attnum = ANY(tgattr::int2[]))
FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
WHERE NOT tgisinternal
"""


def rows(query: str, *parameters: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchall()


def columns_of(table: str) -> set[str]:
    query = (
        "SELECT attname FROM pg_attribute"
        " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
    )
    return {name for (name,) in rows(query, table)}


def guarded() -> Columns:
    """Return the columns that refusing triggers name, or compare old with new, by table."""
    found = defaultdict(set)
    for table, function, _, definition, named in rows(TRIGGERS):
        old, new = (set(re.findall(rf"\b{row}\.(\w+)", definition)) for row in ("old", "new"))
        if function == "refuse_change" and (listed := {*named, *old & new}):
            found[table] |= listed
    return found


def recorded() -> Columns:
    """Return the columns that capturing triggers write into an audit record, by table."""
    found = defaultdict(set)
    for table, function, body, _, named in rows(TRIGGERS):
        if function.startswith("capture_"):
            found[table] |= written(body, columns_of(table), named)
    return found


def written(body: str, columns: set[str], named: Sequence[str]) -> set[str]:
    """Return which of a table's columns a capturing function reads, singly or as a whole row."""
    singly = {*re.findall(r"\b(?:NEW|OLD)\.(\w+)", body), *re.findall(r"fact ->> '(\w+)'", body)}
    if but := re.search(r"to_jsonb\(NEW\) - '{(.*?)}'", body):
        return singly | columns - set(but[1].split(","))
    if hidden := re.search(r"hidden .*?:= (.*?);", body, re.DOTALL):
        return set(named or columns) - set(re.findall(r"\w+", hidden[1]))
    return singly


def undecided(listed: Columns, free: Reasons) -> set[str]:
    return {
        f"{table}.{column}"
        for table, names in listed.items()
        for column in columns_of(table) - names - free.get(table, {}).keys()
    }


BOTH = pytest.mark.parametrize(
    ("listed", "free"), [(guarded, UNGUARDED), (recorded, UNRECORDED)], ids=["guards", "audit"]
)


@BOTH
def test_every_column_is_in_a_trigger_or_free(listed: Callable[[], Columns], free: Reasons) -> None:
    assert listed().keys() == free.keys()
    assert undecided(listed(), free) == set()


@BOTH
def test_no_reason_outlives_its_column(listed: Callable[[], Columns], free: Reasons) -> None:
    for table, reasons in free.items():
        assert reasons.keys() <= columns_of(table) - listed()[table], table


@BOTH
def test_a_new_column_asks_for_a_decision(listed: Callable[[], Columns], free: Reasons) -> None:
    with connection.cursor() as cursor:
        for table in free:
            cursor.execute(f"ALTER TABLE {table} ADD COLUMN novel integer")
    whole = WHOLE if free is UNRECORDED else ()
    assert undecided(listed(), free) == {f"{table}.novel" for table in free.keys() - set(whole)}


def test_what_no_history_tells_is_left_out_where_a_change_is_looked_for_in_it() -> None:
    """Else each change of such a row would be recorded as one that went past the services."""
    [(hidden,)] = rows("SELECT columns_without_history()")
    kept = [model for model in apps.get_models() if hasattr(model, "history")]
    assert kept
    for model in kept:
        table, history = model._meta.db_table, model.history.model._meta.db_table
        assert columns_of(table) - columns_of(history) <= set(hidden), table
