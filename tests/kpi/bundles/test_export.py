"""A day in one file: what is in it, that it is the same each time, and what never is."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from django.conf import settings as own_settings
from django.core.management import CommandError, call_command
from pytest_django import Settings

from accounts.models import ApiKey, User
from accounts.services import adjust_balance, change_tier
from kpi.audit import sealing
from kpi.audit.models import AuditHead
from kpi.audit.sealing import unsealed
from kpi.bundles.day import Day
from kpi.bundles.tables import TABLES
from kpi.history.thinning import thin_snapshots
from kpi.models import KpiSnapshot
from kpi.retention import forget_old
from risk.engine import Intent
from risk.models import RiskPolicy
from risk.selectors import policy_in_force
from risk.services import change_policy
from tests.console import D
from tests.kpi.bundles.conftest import Export, files_of, manifest_of, rows_of
from tests.kpi.history.test_thinning import store
from trading.models import Order, Trade
from trading.services import cancel_order, place_order
from trading.steps.by_hand import set_price

#: Nothing happened of it in the exchange that the tests share.
EMPTY = {"alert_deliveries.csv", "staff_log.csv"}


def test_every_row_of_the_day_is_there_and_told(export: Export) -> None:
    path = export()
    manifest = manifest_of(path)
    told = {one["name"]: one.get("rows") for one in manifest["files"]}
    assert told["orders.csv"] == Order.objects.count() == len(rows_of(path, "orders"))
    assert told["trades.csv"] == Trade.objects.count() == len(rows_of(path, "trades"))
    assert told["audit.jsonl"] == AuditHead.objects.get().sequence
    assert {name for name, rows in told.items() if rows == 0} == EMPTY
    assert manifest["finished"]
    assert manifest["exchange"]["version"]
    assert "kpi.0002_guards" in manifest["exchange"]["migrations"]


def test_a_day_that_is_over_gives_the_same_bytes_whatever_comes_later(
    export: Export, today: Day, trader: User
) -> None:
    first = export()
    assert export(name="again.zip", days=2).read_bytes() == first.read_bytes()
    with time_machine.travel(today.end + timedelta(hours=2)):
        set_price(symbol="ETHUSDT", price=D(3300))
        resting = Order.objects.get(client_order_id="grid-7")
        cancel_order(user_id=resting.account.user_id, order_id=resting.pk)
        place_order(user_id=trader.pk, intent=Intent("ETHUSDT", False, D("0.5")))
        change_tier(reason="A test", user=trader, tier="advanced")
        change_policy(reason="A test", changes={"max_open_orders": 7})
        adjust_balance(
            account=trader.account,
            amount=D(5),
            reason="Later",
            created_by=User.objects.get(username="admin"),
        )
    later = export(name="later.zip", days=3)
    # By the database's own clock the records of all this are of today.
    told_of_records = {"audit.jsonl", "manifest.json"}
    changed = {
        name for name, content in files_of(later).items() if files_of(first)[name] != content
    }
    assert changed == told_of_records
    [order] = [one for one in rows_of(later, "orders") if one["client_order_id"] == "grid-7"]
    assert (order["status"], order["ended_at"]) == ("NEW", "")
    tomorrow = rows_of(export(name="next.zip", days=3, day=today.next), "orders")
    assert ("grid-7", "CANCELED") in {(one["client_order_id"], one["status"]) for one in tomorrow}


def test_a_day_that_goes_on_says_so(today: Day, tmp_path: Path) -> None:
    with time_machine.travel(today.end):
        call_command("export_day", str(today), "--out", str(tmp_path), verbosity=0)
    path = tmp_path / f"exchange-{today}.zip"
    assert not manifest_of(path)["finished"]


def test_the_policy_before_and_at_the_end_is_there_with_every_change(
    export: Export, today: Day
) -> None:
    before = policy_in_force()
    change_policy(reason="A test", changes={"liquidation_threshold": D("0.6")})
    path = export()
    policy = json.loads(files_of(path)["policy.json"])
    assert (policy["start"]["digest"], policy["start"]["policy"]) == (
        before.digest,
        before.canonical,
    )
    assert policy["end"]["digest"] == policy_in_force().digest
    told = [
        (change["liquidation_threshold"], change["history_change_reason"])
        for change in rows_of(path, "risk_policy_changes")
    ]
    assert told == [("0.50000000", "installation"), ("0.60000000", "A test")]


def test_secrets_stay_inside(export: Export) -> None:
    content = b"".join(files_of(export()).values())
    for user in User.objects.all():
        assert user.password.encode() not in content
    for key in ApiKey.objects.all():
        assert key.key_hash.encode() not in content
    names = {column.name for table in TABLES for column in table.columns}
    assert not {name for name in names if "hash" in name or "password" in name} - {"hash"}


def test_thinned_snapshots_give_the_same_bytes(export: Export, today: Day) -> None:
    KpiSnapshot.objects.all().delete()
    store(today.start + timedelta(hours=1), 11)
    first = files_of(export())
    with time_machine.travel(today.end + timedelta(days=2)):
        assert thin_snapshots() == 8
    assert files_of(export(name="thinned.zip", days=4))["kpis.csv"] == first["kpis.csv"]


def test_marks_that_were_forgotten_are_told_and_not_missed(
    export: Export, today: Day, settings: Settings
) -> None:
    def told(name: str) -> tuple[bool, bool]:
        path = export(name=name, days=41)
        call_command("verify_audit", "--bundle", str(path))
        whole = {one["name"]: one.get("whole") for one in manifest_of(path)["files"]}
        return whole["ticks.csv"], whole["candles.csv"]

    assert told("old.zip") == (True, True)
    with time_machine.travel(today.end + timedelta(days=40)):
        assert forget_old()["market_pricetick"]
    settings.TICK_RETENTION_DAYS = 0  # what is gone stays so
    assert told("pruned.zip") == (False, True)


def test_marks_that_the_command_deleted_are_told_too(
    export: Export, today: Day, settings: Settings
) -> None:
    settings.TICK_RETENTION_DAYS = 0
    with time_machine.travel(today.end + timedelta(days=40)):
        call_command("prune_ticks", "--older-than-days", "30", verbosity=0)
    files = manifest_of(export(days=41))["files"]
    assert [one["name"] for one in files if one.get("whole") is False] == ["ticks.csv"]


def test_a_day_waits_until_its_records_are_sealed(
    export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = unsealed().count()
    assert waiting > 1
    monkeypatch.setattr(sealing, "CHUNK", 1)
    monkeypatch.setattr("kpi.bundles.export.MOST", waiting - 1)
    with pytest.raises(CommandError, match="wait for their seals"):
        export()
    path = export()  # the rest is sealed first
    assert not unsealed().exists()
    call_command("verify_audit", "--bundle", str(path))


def test_text_of_any_kind_comes_through(export: Export, trader: User) -> None:
    reason = 'a "quoted",\rbroken\nline; 価格 \x1b'
    adjust_balance(
        account=trader.account,
        amount=D(5),
        reason=reason,
        created_by=User.objects.get(username="admin"),
    )
    path = export()
    assert reason.replace("\x1b", "�") in {row["reason"] for row in rows_of(path, "transfers")}
    call_command("verify_audit", "--bundle", str(path))


def test_no_cell_is_a_formula(export: Export, trader: User) -> None:
    place_order(
        user_id=trader.pk,
        intent=Intent("BTCUSDT", True, D(500)),
        client_order_id="=cmd|' /C calc'!A0",
    )
    named = {row["client_order_id"] for row in rows_of(export(), "orders")}
    assert "'=cmd|' /C calc'!A0" in named


def test_an_earlier_file_is_replaced_by_force_alone(export: Export) -> None:
    path = export()
    path.write_bytes(b"precious")
    with pytest.raises(CommandError, match="is there already"):
        export()
    assert path.read_bytes() == b"precious"
    export("--force")
    assert manifest_of(path)
    assert [one.name for one in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("day", ["2999-01-01", "yesterday", "2026-02-30", "0001-01-01"])
def test_what_is_no_past_day_is_refused(db: None, day: str, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="day"):
        call_command("export_day", day, "--out", str(tmp_path / "x.zip"))
    assert not list(tmp_path.iterdir())


def test_a_position_is_told_as_it_was_at_the_end(export: Export, today: Day, trader: User) -> None:
    shown = {(row["user_id"], row["symbol"]): row for row in rows_of(export(), "positions")}
    held = shown[str(trader.pk), "ETHUSDT"]
    assert (held["quantity_before"], held["quantity"]) == ("0.00000000", "0.10000000")
    assert held["cost"] == "320.00000000"
    assert RiskPolicy.objects.count() == 1
    with time_machine.travel(today.end + timedelta(hours=2)):
        set_price(symbol="ETHUSDT", price=D(3300))
        place_order(user_id=trader.pk, intent=Intent("ETHUSDT", False, D("0.1")))
    path = export(name="next.zip", days=2, day=today.next)
    shown = {(row["user_id"], row["symbol"]): row for row in rows_of(path, "positions")}
    closed = shown[str(trader.pk), "ETHUSDT"]
    assert (closed["quantity_before"], closed["quantity"]) == ("0.10000000", "0.00000000")
    assert closed["status"] == "CLOSED"


def test_the_document_lists_every_table_with_its_columns() -> None:
    document = (own_settings.BASE_DIR / "docs/bundles.md").read_text()
    for table in TABLES:
        columns = ", ".join(
            one.name if one.kind == "text" else f"{one.name} *{one.kind}*" for one in table.columns
        )
        assert f"| `{table.name}` | {table.why} | {columns} |\n" in document
