"""Staff settle in the console what a venue said about an order and does not fit it."""

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from accounts.models import Account, Transfer, User
from kpi.audit.models import AuditRecord
from risk.engine import Intent
from tests.console import Clerk, D, press
from tests.system.binance_standin.faults import Lie
from tests.system.binance_standin.server import BinanceStandin
from trading.models import Order, OrderStatus, ParkedAnswer
from trading.services import place_order

pytest_plugins = ["tests.system.binance_standin.fixtures"]


@pytest.fixture
def parked(venue: BinanceStandin, trader: User) -> ParkedAnswer:
    """An answer that names another symbol, about an order of the demo's beginner."""
    venue.fail_next(Lie(lambda body: {**body, "symbol": "BTCUSDT"}))
    placed = place_order(user_id=trader.pk, intent=Intent("ETHUSDT", True, D("0.01"))).order
    return ParkedAnswer.objects.get(order=placed)


def page(client: Client, parked: ParkedAnswer) -> str:
    answer = client.get(f"/admin/trading/parkedanswer/{parked.pk}/change/")
    return answer.content.decode()


def test_the_page_shows_both_sides_and_what_can_be_done(
    staff: Client, parked: ParkedAnswer
) -> None:
    shown = page(staff, parked)
    assert "The symbol is BTCUSDT instead of ETHUSDT." in shown
    assert "buy 0.01 ETHUSDT at the market" in shown
    assert "PENDING_NEW: 0 filled" in shown
    assert ("Book a fill" in shown, "Release the order" in shown) == (True, True)
    assert "Settle by adjustment" not in shown
    order = f"/admin/trading/order/{parked.order_id}/change/"
    assert order in staff.get("/admin/trading/parkedanswer/").content.decode()
    assert "staff look into it" in press(staff, "trading_order_cancel", parked.order_id)


def test_staff_book_a_fill(staff: Client, parked: ParkedAnswer) -> None:
    button = "trading_parkedanswer_book"
    assert "that is left" in press(
        staff, button, parked.pk, size="0.02", price="3200", reason="Too much"
    )
    assert "required" in press(staff, button, parked.pk, size="0.01", price="3200", reason=" ")
    said = press(staff, button, parked.pk, size="0.01", price="3200.5", reason="Seen there")
    assert "booked 0.01 at 3,200.5." in said
    order = Order.objects.get(pk=parked.order_id)
    assert (order.status, order.average_price) == (OrderStatus.FILLED, D("3200.5"))
    assert "Seen there" in LogEntry.objects.latest("id").get_change_message()
    record = AuditRecord.objects.get(kind="answer_settled")
    assert (record.actor.username, record.reference) == (
        "admin",
        f"trading.parkedanswer:{parked.pk}",
    )
    shown = page(staff, parked)
    assert ("Seen there" in shown, "Book a fill" in shown) == (True, False)
    assert "settled this answer already" in press(
        staff, "trading_parkedanswer_release", parked.pk, reason="Again"
    )


def test_staff_release_an_order(staff: Client, parked: ParkedAnswer, trader: User) -> None:
    press(staff, "trading_parkedanswer_release", parked.pk, reason="Never traded")
    order = Order.objects.get(pk=parked.order_id)
    assert (order.status, order.reserved_margin) == (OrderStatus.EXPIRED, 0)


def test_staff_adjust_for_an_order_that_has_ended(staff: Client, trader: User) -> None:
    parked = ParkedAnswer.objects.get()
    shown = page(staff, parked)
    assert ("Settle by adjustment" in shown, "Book a fill" in shown) == (True, False)
    before = Account.objects.get(user=trader).balance
    press(staff, "trading_parkedanswer_adjust", parked.pk, amount="-2.5", reason="Its loss")
    assert Account.objects.get(user=trader).balance == before - D("2.5")
    transfer = Transfer.objects.latest("id")
    assert (transfer.reference, transfer.reason) == (f"order:{parked.order_id}", "Its loss")


def test_who_may_not_post_transfers_may_only_release(clerk: Clerk, parked: ParkedAnswer) -> None:
    client = clerk("view_parkedanswer", "change_parkedanswer")
    shown = page(client, parked)
    assert ("Release the order" in shown, "Book a fill" in shown) == (True, False)
    url = f"/admin/trading/parkedanswer/{parked.pk}/book/"
    fields = {"_form_submitted": "on", "size": "0.01", "price": "1", "reason": "x"}
    assert client.post(url, fields).status_code in {403, 404}
    assert "is released" in press(
        client, "trading_parkedanswer_release", parked.pk, reason="Never traded"
    )
