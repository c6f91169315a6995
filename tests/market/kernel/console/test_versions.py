"""A form that somebody else's change has overtaken is refused and undoes nothing."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections, transaction
from django.forms import model_to_dict
from django.test import Client
from django.urls import reverse

from accounts.models import AccountPolicy, User
from accounts.services import change_tier, change_user
from kpi.models import AlertRule
from market.kernel.errors import StaleVersion
from market.kernel.versions import version_of
from market.models import Instrument
from market.services import configure_instrument, halt_instrument, resume_instrument
from risk.models import LeverageLimit, RiskPolicy
from risk.services import change_policy
from tests.console import D, filled_in, form_of, press, shown_version, unrendered
from tests.each import each
from tests.waiting import wait_for, waiting

#: A page by its model, a field that somebody changes meanwhile, and one that the late form changes.
FORMS = [
    (RiskPolicy, {"liquidation_threshold": "0.6"}, {"user_exposure_limit": "7"}),
    (RiskPolicy, {"liquidation_threshold": "0.6"}, {"liquidation_threshold": "0.4"}),
    (LeverageLimit, {"max_leverage": "3"}, {"max_leverage": "4"}),
    (AccountPolicy, {"opening_balance": "7"}, {"opening_balance": "8"}),
    (Instrument, {"taker_fee_rate": "0.001"}, {"min_notional": "1"}),
    (User, {"email": "a@example.org", "username": "renamed"}, {"email": "b@example.org"}),
    (User, {"user_permissions": "1"}, {"email": "b@example.org"}),
    (AlertRule, {"threshold": "7"}, {"threshold": "8"}),
]


def page_of(model: type) -> tuple[str, int | str]:
    """Return the page of the oldest row of a model, and its key."""
    row = model.objects.order_by("pk").first()  # type: ignore[attr-defined]
    options = row._meta
    name = f"admin:{options.app_label}_{options.model_name}_change"
    return reverse(name, args=[row.pk]), row.pk


def row_of(model: type, key: object) -> dict[str, object]:
    """Return what may be edited of a row, and what it is related to."""
    return model_to_dict(model.objects.get(pk=key))  # type: ignore[attr-defined]


@each(("model", "theirs", "ours"), FORMS)
def test_a_late_form_is_a_conflict(
    staff: Client, model: type, theirs: dict[str, str], ours: dict[str, str]
) -> None:
    page, key = page_of(model)
    shown = filled_in(staff, page)
    assert staff.post(page, {**shown, **theirs}).status_code == 302
    row = row_of(model, key)
    kept = filled_in(staff, page)
    with unrendered():
        answer = staff.post(page, {**shown, **ours})
    assert answer.status_code == 409
    form = form_of(answer)
    assert "Somebody changed this after you opened it." in str(form.non_field_errors())
    assert {name: form[name].value() for name in ours} == ours
    assert row_of(model, key) == row
    assert staff.post(page, {**kept, **ours}).status_code == 302


def test_a_form_without_a_version_is_a_conflict(staff: Client) -> None:
    page, _ = page_of(RiskPolicy)
    body = filled_in(staff, page) | {"user_exposure_limit": "7.25"}
    del body["version"]
    answer = staff.post(page, body)
    assert answer.status_code == 409
    text = answer.content.decode()
    assert "Somebody changed this after you opened it." in text
    assert 'name="user_exposure_limit" value="7.25"' in text
    assert RiskPolicy.objects.get().user_exposure_limit != D("7.25")


def test_marks_and_logins_are_no_change_of_a_row(staff: Client) -> None:
    page, key = page_of(Instrument)
    shown = filled_in(staff, page)
    Instrument.objects.filter(pk=key).update(mark_price=D(1))
    assert staff.post(page, {**shown, "min_notional": "1"}).status_code == 302


def test_a_late_dialog_moves_nobody(staff: Client, trader: User) -> None:
    for button, key in (
        ("accounts_user_change_tier", trader.pk),
        ("accounts_account_change_tier", trader.account.pk),
    ):
        version = shown_version(staff, button, key)
        change_tier(reason="A test", user=trader, tier="advanced")  # type: ignore[arg-type]
        page = press(staff, button, key, tier="intermediate", version=version)
        assert "Somebody changed this after you opened it." in page
        trader.refresh_from_db()
        assert trader.tier == "advanced"
        version = shown_version(staff, button, key)
        press(staff, button, key, tier="beginner", version=version)
        trader.refresh_from_db()
        assert trader.tier == "beginner"


def test_a_dialog_without_a_version_moves_nobody(staff: Client, trader: User) -> None:
    for button, key in (
        ("accounts_user_change_tier", trader.pk),
        ("accounts_account_change_tier", trader.account.pk),
    ):
        page = press(staff, button, key, tier="advanced")
        assert "Somebody changed this after you opened it." in page
        trader.refresh_from_db()
        assert trader.tier == "beginner"


@pytest.mark.django_db(transaction=True)
def test_of_two_changes_at_once_one_is_late() -> None:
    """Both begin while the row is held, so that each could read the version that it expects."""
    version = version_of(RiskPolicy.objects.get())

    def change(limit: int) -> bool:
        try:
            change_policy(
                reason="A test", changes={"user_exposure_limit": D(limit)}, version=version
            )
        except StaleVersion:
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(2) as pool:
        with transaction.atomic():
            RiskPolicy.objects.select_for_update().get()
            changes = [pool.submit(change, limit) for limit in (7, 8)]
            wait_for(lambda: waiting() >= 2, what="two sessions that wait", seconds=60)
        assert sorted(one.result() for one in changes) == [False, True]
    assert RiskPolicy.objects.get().history.filter(history_type="~").count() == 1


def test_a_change_of_an_old_copy_keeps_what_others_changed(exchange: None) -> None:
    """Its history too, which holds whole rows."""
    old, fresh = Instrument.objects.all()[0], Instrument.objects.all()[0]
    configure_instrument(reason="A test", instrument=fresh, changes={"taker_fee_rate": D("0.002")})
    halt_instrument(reason="A test", instrument=old)
    assert (old.history.latest().taker_fee_rate, old.history.latest().halted) == (D("0.002"), True)
    resume_instrument(reason="A test", instrument=fresh)
    assert fresh.history.latest().taker_fee_rate == D("0.002")
    stale = User.objects.get(username="beginner")
    change_user(reason="A test", user=User.objects.get(pk=stale.pk), changes={"is_active": False})
    change_tier(reason="A test", user=stale, tier="advanced")  # type: ignore[arg-type]
    assert not stale.history.latest().is_active
