"""Streams of a real server: what is told, to whom, and how they end."""

from decimal import Decimal

import pytest

from accounts.models import User
from accounts.services import deposit, suspend_account
from market.models import Instrument
from market.services import halt_instrument
from risk.services import halt_trading
from tests.system.stream.conftest import Listen, Start, key_of
from tests.trading.conftest import Marks, Trader, order
from trading.services import cancel_order

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_happens_is_told_to_whom_it_concerns(
    stream_server: Start,
    listen: Listen,
    market: dict[str, Instrument],
    trader: Trader,
    marks: Marks,
    clerk: User,
) -> None:
    _, address = stream_server()
    anna, ben = trader(), trader()
    own = listen(address, key_of(anna)[1])
    others = listen(address, key_of(ben)[1], channels="orders,trades,account,halts")
    watcher = listen(address, key_of(clerk)[1], user_id="all", channels="orders")
    assert own.until("account", kind="margin")["level"] is None

    resting = order(anna, "buy", "0.01", price="60000")
    accepted = own.until("order")
    assert (accepted["order"]["order_id"], accepted["order"]["status"]) == (resting.pk, "NEW")
    assert watcher.until("order") == accepted
    marks(BTCUSDT="60000", ETHUSDT="3200")
    assert own.until("mark", symbol="BTCUSDT")["price"] == "60000.00000000"
    assert own.until("order")["order"]["status"] == "FILLED"
    assert own.until("trade")["trade"]["order_id"] == resting.pk
    transfer = deposit(account=anna.account, amount=Decimal(5), created_by=clerk)
    told = own.until("account", kind="transfer")["transfer"]
    assert (told["transfer_id"], told["amount"]) == (transfer.pk, "5.00000000")
    cancel_order(order_id=order(anna, "buy", "0.01", price="50000").pk, user_id=anna.pk)
    assert [own.until("order")["order"]["status"] for _ in range(2)] == ["NEW", "CANCELED"]

    suspend_account(account=anna.account)
    assert own.until("halt", scope="account", user_id=anna.pk)["halted"]
    halt_instrument(instrument=market["BTC"])
    halt_trading()
    first, second = others.take(3)[1:]
    assert (first.data["scope"], first.data["symbol"]) == ("instrument", "BTCUSDT")
    assert (second.data["scope"], second.data["halted"]) == ("exchange", True)
