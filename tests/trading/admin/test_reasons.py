"""Whatever governs others is changed for a reason, through every door, and the reason is kept."""

from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.urls import reverse, reverse_lazy
from django.utils import timezone

from accounts.key_terms import KeyTerms
from accounts.keys import (
    change_key_terms,
    issue_api_key,
    revoke_api_key,
    revoke_api_keys,
    rotate_api_key,
)
from accounts.models import Account, AccountPolicy, ApiKey, RateLimit, User
from accounts.policy import change_account_policy
from accounts.services import (
    adjust_balance,
    change_password,
    change_tier,
    change_user,
    create_user,
    deposit,
    fund_insurance,
    resume_account,
    set_account_state,
    suspend_account,
    withdraw,
)
from kpi.alerts.rules import change_rule, create_rule
from kpi.audit.models import AuditRecord
from kpi.lab.models import LabStudy
from kpi.lab.policies import put_in_force
from kpi.models import AlertRule
from market.kernel.errors import ReasonRequired, ReasonTooLong
from market.kernel.reasons import LONGEST_REASON
from market.kernel.states import TradingState
from market.models import HaltOutcome, Instrument, PriceHalt
from market.services import (
    configure_instrument,
    halt_instrument,
    list_instrument,
    reduce_instrument,
    release_instrument,
    resume_instrument,
)
from risk.models import LeverageLimit, RiskPolicy
from risk.policy import PRESETS
from risk.services import (
    change_limits,
    change_policy,
    set_policy,
    set_tier_state,
    set_trading_state,
)
from tests.console import D, filled_in, form_of, press, save, select, submit, unrendered
from tests.kpi.audit.conftest import records
from tests.trading.admin.test_actions import EVERY_FIELD, addresses
from trading.liquidation.sweep import sweep_by_hand
from trading.models import Order, ParkedAnswer
from trading.services import cancel_for_client
from trading.steps.by_hand import set_price, take_refused_price
from trading.venues.kill import Scope, kill
from trading.venues.staff_settlement import release_parked

begin_history = import_module("kpi.migrations.0012_reasons").begin_history
SCRIPT = "<script>alert('x')</script>"
REDUCING = TradingState.REDUCING
BAD_REASONS = {
    "": ReasonRequired,
    " \t\u200b": ReasonRequired,
    "x" * (LONGEST_REASON + 1): ReasonTooLong,
}
#: A market step takes the prices that there are anyway.
UNGOVERNED = reverse_lazy("admin:market_marketclock_run_step")
CONFIGURED = (RiskPolicy, LeverageLimit, AccountPolicy, RateLimit, AlertRule)


def page_of(row: Any, name: str = "change") -> str:
    return f"/admin/{row._meta.app_label}/{row._meta.model_name}/{row.pk}/{name}/"


def standing() -> list[list[tuple[Any, ...]]]:
    """Return the rows that govern others, and what staff did so far."""
    models = (*CONFIGURED, User, Group, Instrument, Account, ApiKey, Order, ParkedAnswer, LogEntry)
    return [list(model.objects.order_by("pk").values_list()) for model in models]


def test_no_form_dialog_or_bulk_action_goes_without_a_reason(staff: Client, trader: User) -> None:
    before = standing()
    for url in addresses(trader):
        if url != UNGOVERNED:
            answer = staff.post(url, {**EVERY_FIELD, "reason": " \u200b "})
            assert answer.status_code in {200, 302}, url
    changed = {
        RiskPolicy: {"price_collar": "0.2"},
        LeverageLimit: {"max_leverage": "3"},
        AccountPolicy: {"opening_balance": "7"},
        RateLimit: {"requests_per_minute": "7"},
        AlertRule: {"threshold": "7"},
        Instrument: {"min_notional": "7"},
        User: {"username": "renamed", "user_permissions": "1"},
        Group: {"name": "renamed", "permissions": "1"},
    }
    for model, values in changed.items():
        row = model._base_manager.order_by("pk").first()
        body = {**filled_in(staff, page_of(row)), **values}
        for reason in (" \u200b ", "x" * (LONGEST_REASON + 1)):
            with unrendered():
                refused = form_of(staff.post(page_of(row), {**body, "reason": reason}))
            assert list(refused.errors) == ["reason"], model
        shown = submit(staff, page_of(row), {**body, "reason": ""})
        assert "Please correct the error" in shown, model
        assert shown.count('name="reason"') == 1, model
    for path, action, keys in (
        ("accounts/user", "make_advanced", [trader.pk]),
        ("accounts/apikey", "revoke_selected", [trader.api_keys.get().pk]),
        ("accounts/account", "suspend_selected", [trader.account.pk]),
        (
            "market/instrument",
            "halt_selected",
            list(Instrument.objects.values_list("pk", flat=True)),
        ),
        ("trading/order", "cancel_selected", [Order.objects.get(client_order_id="grid-7").pk]),
    ):
        asked = staff.post(f"/admin/{path}/", {"action": action, "_selected_action": keys})
        assert 'name="reason"' in asked.content.decode()
        assert 'name="reason"' in select(staff, path, action, *keys, reason=" ")
    assert standing() == before


def test_nothing_new_comes_without_a_reason(staff: Client, trader: User) -> None:
    before = standing()
    for path, body in {
        "market/instrument": {
            "symbol": "SOLUSDT",
            "base_asset": "SOL",
            "tick_size": "1",
            "lot_size": "1",
            "min_notional": "0",
            "maker_fee_rate": "0",
            "taker_fee_rate": "0",
        },
        "accounts/apikey": {"user": str(trader.pk), "label": "x", "scopes": "read"},
        "accounts/user": {"username": "new", "tier": "advanced", "usable_password": "false"},
        "kpi/alertrule": {
            "kind": "error_rate",
            "threshold": "1",
            "window_seconds": "300",
            "severity": "info",
        },
        "auth/group": {"name": "clerks", "permissions": ["1"]},
    }.items():
        page = f"/admin/{path}/add/"
        assert staff.get(page).content.decode().count('name="reason"') == 1, path
        for blank in ({"reason": " "}, {}):
            with unrendered():
                refused = form_of(staff.post(page, {**body, **blank}))
            assert list(refused.errors) == ["reason"], path
        assert standing() == before
        assert staff.post(page, {**body, "reason": "A test"}).status_code in {200, 302}, path
        assert standing() != before, path
        before = standing()


def test_another_password_is_set_for_a_reason(staff: Client, trader: User) -> None:
    page, word = page_of(trader, "password"), "correct-horse-7"
    body = {"password1": word, "password2": word, "usable_password": "true"}
    before = standing()
    for reason in ("", " \u200b ", "x" * (LONGEST_REASON + 1)):
        assert 'name="reason"' in staff.post(page, {**body, "reason": reason}).content.decode()
    assert standing() == before
    staff.post(page, {**body, "set-password": "", "reason": "Locked out"})
    trader.refresh_from_db()
    assert trader.check_password(word)
    assert "Reason: Locked out" in LogEntry.objects.latest("id").change_message
    staff.post(page, {**body, "usable_password": "false", "unset-password": "", "reason": "Left"})
    trader.refresh_from_db()
    assert not trader.has_usable_password()
    assert "Reason: Left" in str(records()[0].details)


def test_no_list_and_no_history_is_edited(staff: Client, trader: User) -> None:
    before = standing()
    policy, limit = RiskPolicy.objects.get(), LeverageLimit.objects.get(tier="beginner")
    rows = {"form-TOTAL_FORMS": "1", "form-INITIAL_FORMS": "1", "form-0-tier": "beginner"}
    staff.post("/admin/risk/leveragelimit/", {**rows, "form-0-max_leverage": "99", "_save": "Save"})
    for row in (policy, limit):
        former = page_of(row, f"history/{row.history.first().pk}")
        for method in (staff.post, staff.put, staff.patch, staff.delete):
            body = {**filled_in(staff, page_of(row)), "max_leverage": "99", "_save": "Save"}
            data = body if method == staff.post else "x"
            assert method(former, data).status_code == 405
        staff.post(page_of(row, "history"), {"max_leverage": "99", "_save": "Save"})
    assert staff.get("/admin/risk/riskpolicy/import/").status_code != 200
    group = Group.objects.earliest("pk")
    assert staff.post(page_of(group, "delete"), {"post": "yes"}).status_code == 403
    body = {"action": "delete_selected", "_selected_action": [group.pk], "post": "yes"}
    staff.post("/admin/auth/group/", body)
    assert standing() == before


def calls(trader: User, staff: User) -> list[Callable[[str], object]]:
    """Return every service that asks why, called with a reason."""
    btc, policy = Instrument.objects.get(symbol="BTCUSDT"), {"price_collar": D("0.2")}
    limit, key = LeverageLimit.objects.get(tier="beginner"), trader.api_keys.get()
    account, rule, halt = trader.account, AlertRule.objects.earliest("pk"), PriceHalt.objects.get()
    resting, parked = Order.objects.get(client_order_id="grid-7"), ParkedAnswer.objects.get()
    study, rules = LabStudy.objects.get(), {"tick_size": D(1), "lot_size": D(1)}
    five, own = D(5), AccountPolicy.objects.get()
    listed = {"symbol": "SOLUSDT", "base_asset": "SOL"}
    measured = {"kind": "error_rate", "threshold": 1, "window_seconds": 1, "severity": "info"}
    return [
        lambda why: set_trading_state(state=TradingState.HALTED, reason=why),
        lambda why: set_trading_state(state=TradingState.ACTIVE, reason=why),
        lambda why: set_trading_state(state=REDUCING, reason=why),
        lambda why: set_tier_state(limit=limit, state=REDUCING, reason=why),
        lambda why: set_account_state(account=account, state=REDUCING, reason=why),
        lambda why: reduce_instrument(instrument=btc, reason=why),
        lambda why: kill(scope=Scope(), state=REDUCING, reason=why),
        lambda why: change_policy(changes=policy, reason=why),
        lambda why: change_limits(limit=limit, changes={"max_leverage": 3}, reason=why),
        lambda why: set_policy(policy=PRESETS["none"], reason=why),
        lambda why: change_tier(user=trader, tier="advanced", reason=why),
        lambda why: change_password(user=trader, password="x", reason=why),
        lambda why: change_user(user=trader, changes={"is_active": False}, reason=why),
        lambda why: create_user(username="new", created_by=staff, reason=why),
        lambda why: change_account_policy(
            policy=own, changes={"opening_balance": five}, reason=why
        ),
        lambda why: suspend_account(account=account, reason=why),
        lambda why: resume_account(account=account, reason=why),
        lambda why: issue_api_key(user=trader, reason=why),
        lambda why: change_key_terms(api_key=key, terms=KeyTerms("read"), reason=why),
        lambda why: rotate_api_key(api_key=key, overlap=timedelta(hours=1), reason=why),
        lambda why: revoke_api_key(api_key=key, reason=why),
        lambda why: revoke_api_keys(user=trader, reason=why),
        lambda why: deposit(account=account, amount=five, reason=why, created_by=staff),
        lambda why: withdraw(account=account, amount=five, reason=why, created_by=staff),
        lambda why: adjust_balance(account=account, amount=five, reason=why, created_by=staff),
        lambda why: fund_insurance(amount=five, reason=why),
        lambda why: list_instrument(**listed, **rules, reason=why),
        lambda why: configure_instrument(
            instrument=btc, changes={"min_notional": five}, reason=why
        ),
        lambda why: halt_instrument(instrument=btc, reason=why),
        lambda why: resume_instrument(instrument=btc, reason=why),
        lambda why: release_instrument(halt=halt, outcome=HaltOutcome.KEPT, reason=why),
        lambda why: take_refused_price(halt=halt, reason=why),
        lambda why: change_rule(rule_id=rule.pk, changes={"threshold": 9}, reason=why),
        lambda why: create_rule(**measured, enabled=True, reason=why),
        lambda why: cancel_for_client(order_id=resting.pk, reason=why),
        lambda why: sweep_by_hand(reason=why),
        lambda why: set_price(symbol="ETHUSDT", price=five, staff_id=staff.pk, reason=why),
        lambda why: release_parked(parked=parked, reason=why, staff=staff),
        lambda why: put_in_force(study=study, name="esma", reason=why),
    ]


def test_no_service_goes_without_a_reason(staff: Client, trader: User) -> None:
    before = standing()
    for call in calls(trader, User.objects.get(username="admin")):
        for reason, refused in BAD_REASONS.items():
            with pytest.raises(refused):
                call(reason)
    assert standing() == before


def test_a_change_is_told_with_old_and_new_who_when_and_why(client: Client, staff: Client) -> None:
    save(staff, "/admin/risk/leveragelimit/advanced/change/", max_leverage="15", reason=SCRIPT)
    limit = LeverageLimit.objects.get(tier="advanced")
    latest = limit.history.latest()
    staff.force_login(User.objects.get(username="regulator"))
    table = staff.get(page_of(limit, "history")).content.decode()
    for said in ("20 → ", ">15<", "admin", f"{latest.history_date:%Y-%m-%d %H:%M:%S}"):
        assert said in table
    assert "installation" in table
    former = staff.get(page_of(limit, f"history/{latest.pk}")).content.decode()
    [record] = records(reference="risk.leveragelimit:advanced")
    trail = staff.get("/admin/kpi/auditrecord/").content.decode()
    told = staff.get(page_of(record)).content.decode()
    assert "max leverage 20 → 15" in trail
    for page in (table, former, trail, told):
        assert "20 → " in page
        assert "&lt;script&gt;alert(" in page
        assert SCRIPT not in page


def test_a_suspension_a_key_and_a_cancel_are_told_with_who_and_why(
    staff: Client, trader: User
) -> None:
    press(staff, "accounts_account_suspend", trader.account.pk, reason="Odd trades")
    press(staff, "accounts_user_revoke_keys", trader.pk, reason="Key was leaked")
    order = Order.objects.get(client_order_id="grid-7")
    press(staff, "trading_order_cancel", order.pk, reason="Asked by telephone")
    [suspended] = AuditRecord.objects.filter(kind="account_change")
    revoked = AuditRecord.objects.filter(kind="api_key_change").latest("pk")
    for record, reason in ((suspended, "Odd trades"), (revoked, "Key was leaked")):
        assert (record.actor.username, record.details["reason"]) == ("admin", reason)
    said = AuditRecord.objects.filter(kind="staff_action").latest("pk").details["message"]
    assert said == f"Order {order.pk} is canceled. Reason: Asked by telephone"
    assert "Asked by telephone" in staff.get(page_of(order, "history")).content.decode()
    Account.objects.filter(pk=trader.account.pk).update(suspended=False)
    unstated = AuditRecord.objects.filter(kind="account_change").latest("pk")
    assert (unstated.actor, "reason" in unstated.details) == (None, False)


def test_the_reason_of_a_bulk_action_stands_with_each_row(staff: Client, trader: User) -> None:
    keys = [trader.pk, User.objects.get(username="intermediate").pk]
    assert "2 users now advanced." in select(
        staff, "accounts/user", "make_advanced", *keys, reason="Passed the examination"
    )
    for key in keys:
        latest = User.objects.get(pk=key).history.latest()
        assert (latest.tier, latest.history_change_reason) == ("advanced", "Passed the examination")


def test_rights_are_granted_with_a_reason_in_the_staff_log(staff: Client, trader: User) -> None:
    save(staff, page_of(trader), user_permissions="1", reason="Will help at the desk")
    said = LogEntry.objects.latest("pk").get_change_message()
    assert said == "Changed User permissions. Reason: Will help at the desk"


def test_a_reason_alone_changes_nothing(staff: Client, trader: User) -> None:
    policy = RiskPolicy.objects.get()
    for _ in range(2):
        save(staff, page_of(policy))
    assert policy.history.count() == 1


def test_a_sign_in_and_a_password_are_no_change(staff: Client, trader: User) -> None:
    before = trader.history.count()
    staff.force_login(trader)
    staff.force_login(User.objects.get(username="admin"))
    body = {"password1": "Zx8-long-enough", "password2": "Zx8-long-enough", "reason": "Lost"}
    staff.post(f"/admin/accounts/user/{trader.pk}/password/", body)
    trader.refresh_from_db()
    assert trader.check_password("Zx8-long-enough")
    assert trader.history.count() == before


def test_a_policy_of_the_lab_keeps_study_and_reason_whole(staff: Client, trader: User) -> None:
    study = LabStudy.objects.get()
    reason = "y" * LONGEST_REASON
    put_in_force(study=study, name="esma", reason=reason)
    kept = LeverageLimit.objects.get(tier="beginner").history.latest().history_change_reason
    assert kept == f"{reason} (lab study {study.digest}: esma)"


def test_the_dialog_starts_at_the_present_tier(staff: Client, trader: User) -> None:
    for button, key in (
        ("accounts_user_change_tier", trader.pk),
        ("accounts_account_change_tier", trader.account.pk),
    ):
        dialog = staff.get(reverse(f"admin:{button}", args=[key])).content.decode()
        assert '<option value="beginner" selected>' in dialog


def test_a_new_exchange_tells_what_it_began_with(db: None) -> None:
    for model in CONFIGURED:
        for row in model.objects.all():
            [first] = row.history.all()
            assert (first.history_type, first.history_change_reason) == ("+", "installation")
            for field in first.tracked_fields:
                assert getattr(first, field.attname) == getattr(row, field.attname)
            assert timezone.now() - first.history_date < timedelta(days=2)


def test_an_upgraded_exchange_tells_what_it_began_with(db: None) -> None:
    """A rule that was changed before there were first records still began as migrations made it."""
    rule = AlertRule.objects.get(kind="error_rate")
    AlertRule.history.all().delete()
    change_rule(rule_id=rule.pk, changes={"threshold": 9}, reason="Noise")
    begin_history(apps, SimpleNamespace(connection=connection))
    told = rule.history.values_list("history_type", "threshold", "history_change_reason")
    assert list(told) == [("~", 9.0, "Noise"), ("+", 0.5, "installation")]
    assert AlertRule.history.filter(history_type="+").count() == AlertRule.objects.count()
    begin_history(apps, SimpleNamespace(connection=connection))
    assert AlertRule.history.filter(history_type="+").count() == AlertRule.objects.count()
