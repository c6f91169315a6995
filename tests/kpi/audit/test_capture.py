"""Every fact leaves its record in its own transaction, whichever path it took."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client

from accounts.keys import issue_api_key, revoke_api_key
from accounts.models import Account, Transfer, User
from accounts.services import adjust_balance, change_tier
from kpi.audit.models import AuditKind, AuditRecord
from market.models import Instrument, PriceHalt
from market.services import configure_instrument
from risk.engine import Intent
from risk.models import RiskPolicy
from risk.services import change_policy
from tests.console import D, press, quoted, save, select
from tests.kpi.audit.conftest import admin_user, commit, records
from trading.models import Liquidation, Order
from trading.services import place_order
from trading.steps.by_hand import set_price

pytestmark = pytest.mark.django_db


def sql(statement: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def newest() -> int:
    """Return the id of the last record so far, deferred ones included."""
    return records()[0].pk


def test_a_refused_order_is_recorded_with_code_and_inputs(trader: User) -> None:
    placed = place_order(
        user_id=trader.pk,
        intent=Intent("BTCUSDT", True, D(500), leverage=3),
        client_order_id="=cmd|' /C calc'!A0",
    )
    [record] = records(reference=f"order:{placed.order.pk}")
    assert (record.kind, record.user, record.account) == (
        AuditKind.ORDER_REJECTED,
        trader,
        trader.account,
    )
    assert record.occurred_at == placed.order.updated_at
    said = {key: record.details[key] for key in ("reject_code", "size", "leverage", "price")}
    assert said == {
        "reject_code": "insufficient_margin",
        "size": "500",
        "leverage": "3",
        "price": None,
    }
    assert record.details["client_order_id"] == "=cmd|' /C calc'!A0"


def test_an_accepted_order_leaves_nothing(trader: User) -> None:
    commit()
    before = AuditRecord.objects.count()
    placed = place_order(user_id=trader.pk, intent=Intent("ETHUSDT", True, D("0.01")))
    assert placed.denial is None
    commit()
    assert AuditRecord.objects.count() == before


def test_an_order_that_expires_with_a_code_is_recorded(trader: User) -> None:
    placed = place_order(
        user_id=trader.pk, intent=Intent("ETHUSDT", True, D("0.1"), price=D(3_000))
    )
    sql("UPDATE accounts_account SET suspended = true WHERE id = %s", trader.account.pk)
    sql(
        "UPDATE trading_order SET status = 'EXPIRED', reject_code = 'venue_expired', "
        "reserved_margin = 0, reserved_notional = 0 WHERE id = %s",
        placed.order.pk,
    )
    [record] = records(reference=f"order:{placed.order.pk}")
    assert (record.kind, record.details["reject_code"]) == ("order_expired", "venue_expired")


def test_a_liquidation_is_recorded(exchange: None) -> None:
    row = Liquidation.objects.get()
    [record] = records(kind=AuditKind.LIQUIDATION)
    assert (record.reference, record.account) == (f"liquidation:{row.pk}", row.account)
    assert D(record.details["equity_before"]) == row.equity_before
    assert record.details["mode"] == row.mode


def test_a_balance_change_is_recorded_with_reason_and_staff_member(trader: User) -> None:
    transfer = adjust_balance(
        account=trader.account, amount=D("-0.00000001"), reason="Test", created_by=admin_user()
    )
    [record] = records(reference=f"transfer:{transfer.pk}")
    assert (record.kind, record.actor, record.user) == ("balance_change", admin_user(), trader)
    assert (record.details["amount"], record.details["reason"]) == ("0.00000001", "Test")


def test_money_from_outside_by_raw_sql_is_recorded(trader: User) -> None:
    external = Account.objects.get(kind="external")
    sql(
        "INSERT INTO accounts_transfer (kind, debit_account_id, credit_account_id, amount, "
        "reference, reason, created_at) VALUES ('deposit', %s, %s, 5, '', '', now())",
        external.pk,
        trader.account.pk,
    )
    [record] = records(reference=f"transfer:{Transfer.objects.latest('id').pk}")
    assert (record.user, record.actor) == (trader, None)


def test_fills_leave_no_record(trader: User) -> None:
    before = len(records(kind=AuditKind.BALANCE_CHANGE))
    place_order(user_id=trader.pk, intent=Intent("ETHUSDT", False, D("0.1")))
    assert Transfer.objects.filter(kind="realized_pnl").exists()
    assert len(records(kind=AuditKind.BALANCE_CHANGE)) == before


def test_a_staff_action_is_recorded(staff: Client, trader: User) -> None:
    press(staff, "accounts_account_suspend", trader.account.pk)
    entry = LogEntry.objects.latest("id")
    [record] = records(reference=f"admin_log:{entry.pk}")
    assert (record.kind, record.actor, record.user) == ("staff_action", admin_user(), trader)
    assert record.details["model"] == "accounts.account"
    assert "suspended" in record.details["message"]
    [change] = records(kind=AuditKind.ACCOUNT_CHANGE)
    assert change.actor == admin_user()
    assert change.details == {
        "before": {"suspended": "false"},
        "after": {"suspended": "true"},
        "reason": "A test",
    }


@pytest.mark.parametrize("button", ["market_marketclock_run_step", "trading_liquidation_sweep"])
def test_a_button_above_a_list_is_a_staff_action(staff: Client, button: str) -> None:
    press(staff, button)
    [record] = records(kind=AuditKind.STAFF_ACTION)
    assert record.actor == admin_user()


def test_selected_rows_are_staff_actions(staff: Client, trader: User) -> None:
    other = User.objects.get(username="advanced")
    select(staff, "accounts/user", "make_intermediate", trader.pk, other.pk)
    concerned = {record.user for record in records(kind=AuditKind.STAFF_ACTION)}
    assert concerned == {trader, other}


def test_a_policy_change_tells_before_and_after_and_who(staff: Client) -> None:
    save(staff, "/admin/risk/riskpolicy/1/change/", liquidation_threshold="0.6")
    [record] = records(reference="risk.riskpolicy:1")
    assert record.actor == admin_user()
    assert record.details == {
        "change": "update",
        "in_history": "true",
        "before": {"liquidation_threshold": "0.5"},
        "after": {"liquidation_threshold": "0.6"},
        "reason": "A test",
    }


def test_services_and_raw_sql_leave_the_same_record(trader: User) -> None:
    before = newest()
    change_policy(reason="A test", changes={"trading_halted": True})
    sql("UPDATE risk_leveragelimit SET max_leverage = 50 WHERE tier = 'beginner'")
    RiskPolicy.objects.update(liquidation_threshold=D("0.4"))
    change_tier(reason="A test", user=trader, tier="advanced")
    btc = Instrument.objects.get(symbol="BTCUSDT")
    configure_instrument(
        reason="A test", instrument=btc, changes={"tick_size": D("0.001"), "price_collar": D("0.4")}
    )
    set_price(symbol="BTCUSDT", price=D("50000.001"))
    found = {
        (record.reference, record.details["in_history"]): record.details["after"]
        for record in records(kind=AuditKind.CONFIGURATION_CHANGE, pk__gt=before)
    }
    assert found == {
        ("risk.riskpolicy:1", "true"): {"trading_halted": "true"},
        ("risk.riskpolicy:1", "false"): {"liquidation_threshold": "0.4"},
        ("risk.leveragelimit:beginner", "false"): {"max_leverage": "50"},
        (f"accounts.user:{trader.pk}", "true"): {"tier": "advanced"},
        (f"market.instrument:{btc.pk}", "true"): {
            "tick_size": "0.001",
            "price_collar": "0.4",
        },
    }


def test_a_quote_that_halts_is_recorded(exchange: None) -> None:
    before = newest()
    quoted("ETHUSDT", "320")
    halt = PriceHalt.objects.get(released_at=None)
    [record] = records(reference=f"price_halt:{halt.pk}")
    assert (record.kind, record.actor, record.occurred_at) == ("price_halt", None, halt.halted_at)
    assert record.details == {
        "symbol": "ETHUSDT",
        "mark_price": "3200",
        "mark_source": "simulation",
        "price": "320",
        "source": "simulation",
        "collar": "0.3",
    }
    [change] = records(kind=AuditKind.CONFIGURATION_CHANGE, pk__gt=before)
    assert (change.details["after"], change.actor) == ({"halted": "true"}, None)


def price_set(way: str) -> list[tuple[User | None, str, str, str]]:
    """Return who set which prices in a way, over which mark, and whether beyond the collar."""
    return [
        (
            record.actor,
            record.details["previous_price"],
            record.details["price"],
            record.details["beyond_collar"],
        )
        for record in reversed(records(kind=AuditKind.PRICE_SET, details__way=way))
    ]


def test_prices_that_persons_set_are_recorded(staff: Client, tmp_path: Path) -> None:
    before = price_set("set_price")
    call_command("set_price", "ETHUSDT", "3300", verbosity=0)
    assert price_set("set_price") == [*before, (None, "3200", "3300", "false")]
    eth = Instrument.objects.get(symbol="ETHUSDT")
    press(staff, "market_marketclock_set_price", instrument=str(eth.pk), price="33")
    assert price_set("console") == [(admin_user(), "3300", "33", "true")]
    file = tmp_path / "eth.csv"
    prices = [33, 34, 35, 350, 360]
    rows = [f"{1735689600000 + n},{p},{p},{p},{p}" for n, p in enumerate(prices)]
    file.write_text("\n".join(rows))
    call_command("replay", f"ETHUSDT={file}", verbosity=0)
    assert price_set("replay") == [(None, "33", "33", "false"), (None, "35", "350", "true")]


def test_a_refused_price_that_staff_take_is_recorded(staff: Client) -> None:
    quoted("ETHUSDT", "320")
    halt = PriceHalt.objects.get(released_at=None)
    press(
        staff,
        "market_instrument_release",
        halt.instrument_id,
        outcome="taken",
        halt=str(halt.pk),
    )
    assert price_set("release") == [(admin_user(), "3200", "320", "true")]


def test_rights_and_keys_are_recorded(staff: Client, trader: User) -> None:
    save(staff, f"/admin/accounts/user/{trader.pk}/change/", is_staff="on", user_permissions="1")
    [granted] = records(kind=AuditKind.RIGHTS_CHANGE, user=trader)
    assert granted.details["change"] == "granted"
    key, clear = issue_api_key(reason="A test", user=trader)
    revoke_api_key(reason="A test", api_key=key)
    revoked, issued = records(reference=f"accounts.apikey:{key.pk}")
    assert (issued.details["change"], revoked.details["change"]) == ("issued", "revoked")
    assert clear not in str(issued.details)


def test_what_is_rolled_back_leaves_no_record(trader: User) -> None:
    before = len(records())
    with transaction.atomic():
        place_order(user_id=trader.pk, intent=Intent("BTCUSDT", True, D(500)))
        transaction.set_rollback(True)
    assert len(records()) == before
    assert Order.objects.count() > 0


REFUSALS = {
    "UPDATE kpi_auditrecord SET details = '{}'": "audit_record_is_fixed",
    "UPDATE kpi_auditrecord SET hash = previous_hash": "audit_record_is_fixed",
    "DELETE FROM kpi_auditrecord": "audit_record_is_kept",
    "TRUNCATE kpi_auditrecord": "audit_record_is_kept",
    "INSERT INTO kpi_auditrecord (kind, occurred_at, recorded_at, reference, details, "
    "previous_hash, hash) VALUES ('liquidation', now(), now(), '', '{}', '', '')": (
        "audit_record_is_captured"
    ),
    "UPDATE kpi_audithead SET sequence = 0": "audit_head_goes_forward",
    "DELETE FROM kpi_audithead": "audit_head_is_kept",
    "TRUNCATE kpi_audithead": "audit_head_is_kept",
}


def test_the_database_refuses_to_change_the_trail(sealed: list[AuditRecord]) -> None:
    for statement, refused_by in REFUSALS.items():
        with pytest.raises(IntegrityError) as refusal, transaction.atomic():
            sql(statement)
        assert refusal.value.__cause__.diag.constraint_name == refused_by


def test_what_waits_for_its_sealing_is_not_changed_either(trader: User) -> None:
    place_order(user_id=trader.pk, intent=Intent("BTCUSDT", True, D(500)))
    assert AuditRecord.objects.filter(sequence=None).exists()
    for change in ("kind = 'liquidation'", "sequence = 10^9", "reference = ''"):
        with pytest.raises(IntegrityError), transaction.atomic():
            sql(f"UPDATE kpi_auditrecord SET {change} WHERE sequence IS NULL")  # noqa: S608
