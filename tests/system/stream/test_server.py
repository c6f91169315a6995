"""Streams of a real server: what is told, to whom, and how they end."""

import signal
import time
from dataclasses import replace
from decimal import Decimal

import pytest
from django.db import connection
from django.utils import timezone

from accounts.keys import revoke_api_key
from accounts.models import ApiKey, User
from accounts.services import deposit, suspend_account
from kpi.stream.tickets import Ticket, signed
from market.kernel.states import TradingState
from market.models import Instrument
from market.services import halt_instrument
from risk.services import set_trading_state
from tests.system.stream.conftest import Listen, Start, key_of
from tests.system.web.conftest import Server
from tests.trading.conftest import Marks, Trader, order
from trading.services import cancel_order

pytestmark = pytest.mark.django_db(transaction=True)

CUT_OTHERS = """
SELECT pg_terminate_backend(pid, 3000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


def test_what_happens_is_told_to_whom_it_concerns(
    lasting: Server,
    listen: Listen,
    market: dict[str, Instrument],
    trader: Trader,
    marks: Marks,
    clerk: User,
) -> None:
    _, address = lasting
    anna, ben = trader(), trader()
    own = listen(address, key_of(anna)[1])
    others = listen(address, key_of(ben)[1], channels="orders,trades,account,halts")
    watcher = listen(address, key_of(clerk)[1], user_id="all", channels="orders")
    figures = listen(address, key_of(clerk)[1], channels="kpi")
    assert own.until("account", kind="margin")["level"] is None

    resting = order(anna, "buy", "0.01", price="60000")
    accepted = own.until("order")
    assert (accepted["order"]["order_id"], accepted["order"]["status"]) == (resting.pk, "NEW")
    assert watcher.until("order") == accepted
    marks(BTCUSDT="60000", ETHUSDT="3200")
    assert own.until("mark", symbol="BTCUSDT")["price"] == "60000.00000000"
    assert own.until("order")["order"]["status"] == "FILLED"
    assert own.until("trade")["trade"]["order_id"] == resting.pk
    transfer = deposit(account=anna.account, amount=Decimal(5), created_by=clerk, reason="A test")
    told = own.until("account", kind="transfer")["transfer"]
    assert (told["transfer_id"], told["amount"]) == (transfer.pk, "5.00000000")
    cancel_order(order_id=order(anna, "buy", "0.01", price="50000").pk, user_id=anna.pk)
    assert [own.until("order")["order"]["status"] for _ in range(2)] == ["NEW", "CANCELED"]

    suspend_account(reason="A test", account=anna.account)
    assert own.until("halt", scope="account", user_id=anna.pk)["halted"]
    halt_instrument(reason="A test", instrument=market["BTC"])
    set_trading_state(state=TradingState.HALTED, reason="A test")
    first, second = others.take(3)[1:]
    assert (first.data["scope"], first.data["symbol"]) == ("instrument", "BTCUSDT")
    assert (second.data["scope"], second.data["halted"]) == ("exchange", True)
    # Which name pages of the console.
    assert figures.until("kpi")["cards"]


def test_a_reconnect_misses_nothing_whoever_was_killed_meanwhile(
    stream_server: Start, listen: Listen, trader: Trader
) -> None:
    process, address = stream_server()
    anna = trader()
    _, token = key_of(anna)
    before = listen(address, token, channels="orders")
    first = order(anna, "buy", "0.01", price="50000")
    assert before.until("order")["order"]["order_id"] == first.pk
    process.kill()
    missed = [order(anna, "buy", "0.01", price="50000").pk for _ in range(3)]
    _, address = stream_server()
    after = listen(address, token, before.cursor, channels="orders")
    assert [after.until("order")["order"]["order_id"] for _ in range(3)] == missed
    last = order(anna, "buy", "0.01", price="50000")
    assert after.until("order")["order"]["order_id"] == last.pk
    assert listen(address, token, "1.2.x").refusal == "invalid_last_event_id"
    assert listen(address, token, "1.2.3:9:").until("forgotten")


def test_a_stream_opens_after_the_database_cut_all_connections(
    lasting: Server, listen: Listen, trader: Trader
) -> None:
    _, address = lasting
    anna = trader()
    _, token = key_of(anna)
    first = listen(address, token, channels="orders")
    before = order(anna, "buy", "0.01", price="50000")
    assert first.until("order")["order"]["order_id"] == before.pk
    first.close()
    with connection.cursor() as cursor:
        cursor.execute(CUT_OTHERS)
    second = listen(address, token, first.cursor, channels="orders")
    later = order(anna, "buy", "0.01", price="50000")
    assert second.until("order")["order"]["order_id"] == later.pk


def test_a_ticket_opens_what_it_names_until_the_key_is_revoked(
    stream_server: Start, listen: Listen, trader: Trader
) -> None:
    process, address = stream_server()
    key, _ = key_of(trader())
    ticket = Ticket(key.pk, key.user_id, "marks", "", time.time() + 600, "http://exchange")
    asked = {"channels": "marks", "ticket": signed(ticket)}
    opened = [listen(address, **asked) for _ in range(5)]
    assert [one.status for one in opened] == [200] * 5
    assert listen(address, **asked).refusal == "too_many_streams"
    assert listen(address, **asked | {"channels": "orders"}).refusal == "invalid_ticket"
    assert listen(address, **asked | {"ticket": asked["ticket"] + "x"}).refusal == "invalid_ticket"
    other, _ = key_of(User.objects.get(pk=key.user_id))
    lasting = listen(address, channels="marks", ticket=signed(replace(ticket, key_id=other.pk)))
    revoke_api_key(reason="A test", api_key=key)
    assert {one.until("closed")["code"] for one in opened} == {"key_revoked"}
    assert listen(address, **asked).refusal == "invalid_ticket"
    expiring, _ = key_of(User.objects.get(pk=key.user_id))
    watched = listen(address, channels="marks", ticket=signed(replace(ticket, key_id=expiring.pk)))
    ApiKey.objects.filter(pk=expiring.pk).update(expires_at=timezone.now())
    assert watched.until("closed")["code"] == "key_expired"
    process.send_signal(signal.SIGTERM)
    assert lasting.until("closed")["code"] == "server_stopping"
    assert process.wait(60) == 0
