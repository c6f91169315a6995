"""Staff see what halted an instrument and decide what becomes of the price."""

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from accounts.models import User
from market.models import HaltOutcome, Instrument, PriceHalt
from tests.console import Clerk, press, quoted, select
from tests.each import each
from trading.models import Liquidation


def eth() -> Instrument:
    return Instrument.objects.get(symbol="ETHUSDT")


@pytest.fixture
def halted(trader: User) -> PriceHalt:
    """ETHUSDT, which the trader holds, halted at 3,200 by a quote of 320."""
    quoted("ETHUSDT", "320")
    return PriceHalt.objects.get(released_at=None)


def page_of(staff: Client, instrument: Instrument) -> str:
    return staff.get(f"/admin/market/instrument/{instrument.pk}/change/").content.decode()


def release(staff: Client, halt: PriceHalt, outcome: str) -> str:
    key = halt.instrument_id
    return press(staff, "market_instrument_release", key, outcome=outcome, halt=str(halt.pk))


def test_the_reason_and_the_choice_are_shown(staff: Client, halted: PriceHalt) -> None:
    page = page_of(staff, eth())
    assert halted.reason in page
    assert "-90 %" in halted.reason.replace("\u2212", "-")
    assert "/release/" in page
    assert "/resume/" not in page
    dialog = staff.get(f"/admin/market/instrument/{eth().pk}/release/").content.decode()
    assert "Keep the old mark: 3200" in dialog
    assert "Take this price: 320" in dialog
    assert "320" in staff.get("/admin/market/pricehalt/").content.decode()


def test_the_price_is_taken(staff: Client, halted: PriceHalt) -> None:
    closed_out = Liquidation.objects.count()
    page = release(staff, halted, "taken")
    assert "ETHUSDT trades again, at the price that halted it" in page
    assert (eth().mark_price, eth().halted) == (320, False)
    halted.refresh_from_db()
    assert halted.outcome == HaltOutcome.TAKEN
    assert Liquidation.objects.count() >= closed_out
    assert "320" in LogEntry.objects.latest("id").get_change_message()
    quoted("ETHUSDT", "330")
    assert (eth().mark_price, eth().halted) == (330, False)


def test_the_old_mark_is_kept(staff: Client, halted: PriceHalt) -> None:
    assert "trades again, at the old mark" in release(staff, halted, "kept")
    assert (eth().mark_price, eth().halted) == (3_200, False)
    halted.refresh_from_db()
    assert halted.outcome == HaltOutcome.KEPT
    assert eth().history.latest().history_user == User.objects.get(username="admin")


def test_who_may_not_set_prices_may_not_take_one(clerk: Clerk, halted: PriceHalt) -> None:
    client = clerk("view_instrument", "change_instrument")
    page = client.get(f"/admin/market/instrument/{eth().pk}/release/").content.decode()
    assert "Keep the old mark" in page
    assert "Take this price" not in page
    release(client, halted, "taken")
    assert (eth().mark_price, eth().halted) == (3_200, True)
    release(client, halted, "kept")
    assert (eth().mark_price, eth().halted) == (3_200, False)


def test_nobody_in_particular_halted_it(staff: Client, halted: PriceHalt) -> None:
    assert eth().history.latest().history_user is None


@pytest.mark.parametrize("outcome", ["taken", "kept"])
def test_a_choice_about_an_earlier_quote_is_void(
    staff: Client, halted: PriceHalt, outcome: str
) -> None:
    release(staff, halted, "kept")
    quoted("ETHUSDT", "100")
    release(staff, halted, outcome)
    assert (eth().mark_price, eth().halted) == (3_200, True)


@each("key", ["abc", "0", "99999999999999999999", "\u0661"])
def test_a_release_of_nothing_is_not_found(staff: Client, key: str) -> None:
    answer = staff.get(f"/admin/market/instrument/{key}/release/")
    assert answer.status_code < 500
    body = {"_form_submitted": "on", "outcome": "taken", "halt": "1"}
    assert staff.post(f"/admin/market/instrument/{key}/release/", body).status_code < 500


@pytest.mark.parametrize("outcome", ["taken", "kept"])
def test_what_staff_halted_too_stays_halted_until_they_resume_it(
    staff: Client, trader: User, outcome: str
) -> None:
    press(staff, "market_instrument_halt", eth().pk)
    quoted("ETHUSDT", "320")
    page = release(staff, PriceHalt.objects.get(released_at=None), outcome)
    assert "ETHUSDT stays halted, as staff halted it too" in page
    assert eth().halted
    page = page_of(staff, eth())
    assert "/resume/" in page
    assert "/release/" not in page
    press(staff, "market_instrument_resume", eth().pk)
    assert not eth().halted


def test_resuming_several_tells_which_stay_halted(staff: Client, trader: User) -> None:
    press(staff, "market_instrument_halt", eth().pk)
    quoted("ETHUSDT", "320")
    page = select(staff, "market/instrument", "resume_selected", eth().pk)
    assert "ETHUSDT stays halted, as staff halted it too" in page
    select(staff, "market/instrument", "resume_selected", eth().pk)
    assert not eth().halted


def test_resuming_what_a_quote_alone_halted_resumes_it(staff: Client, halted: PriceHalt) -> None:
    page = select(staff, "market/instrument", "resume_selected", eth().pk)
    assert "1 instrument resumed." in page
    assert "stays halted" not in page
    assert not eth().halted


def test_an_instrument_that_staff_halted_is_resumed(staff: Client, trader: User) -> None:
    press(staff, "market_instrument_halt", eth().pk)
    page = page_of(staff, eth())
    assert "/resume/" in page
    assert "/release/" not in page
    press(staff, "market_instrument_resume", eth().pk)
    assert not eth().halted
