"""The examples of the documents do on a running exchange what they say."""

import subprocess
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import cycle, islice
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import Any

import pytest

from accounts.keys import revoke_api_keys
from accounts.models import User
from tests.console import D
from tests.system.agents.conftest import PATIENCE, ClientOf, Exchange, committed
from tests.system.agents.front import LOST, RETRY_AFTER, Front
from tests.waiting import wait_for
from trading.history.ledger_check import ledger_differences
from trading.steps.by_hand import set_price

Start = Callable[..., subprocess.Popen[str]]

pytestmark = pytest.mark.django_db


def test_amounts_are_decimals_both_ways(client_of: ClientOf) -> None:
    client = client_of()
    client.order("BTCUSDT", "buy", Decimal("0.10000000"), client_order_id="1.50")
    account = client.account()
    assert account["margin_used"] == client.account(account["user_id"])["margin_used"] == 1300
    assert account["positions"][0]["quantity"].as_tuple() == Decimal("0.10000000").as_tuple()
    assert client.get("/orders")["results"][0]["client_order_id"] == "1.50"


def test_pages_are_read_to_the_end(client_of: ClientOf, front: Front) -> None:
    client = client_of(front.url)
    placed = [client.order("BTCUSDT", "buy", "0.001")["order"]["order_id"] for _ in range(5)]
    front.seen.clear()
    rows = client.pages("/orders", page_size=2, symbol="btcusdt")
    assert next(rows)["order_id"] == placed[-1]
    assert len(front.seen) == 1
    assert [row["order_id"] for row in rows] == placed[-2::-1]
    assert len(front.seen) == 3


def test_a_refusal_is_an_exception_with_its_code_and_fields(
    client_of: ClientOf, example: ModuleType
) -> None:
    client = client_of()
    with pytest.raises(example.Refused, match="leverage of up to 5") as refused:
        client.order("BTCUSDT", "buy", "0.1", leverage=10)
    assert (refused.value.status, refused.value.code) == (400, "leverage_exceeds_tier")
    order = client.get(f"/orders/{refused.value.fields['order_id']}")
    assert order["status"] == "REJECTED"
    with pytest.raises(example.Refused) as refused:
        client.order("BTCUSDT", "buy", "much")
    assert refused.value.fields["errors"].keys() == {"size"}


def test_an_order_whose_answer_is_lost_is_placed_once(client_of: ClientOf, front: Front) -> None:
    client = client_of(front.url)
    client.account()
    front.faults = [LOST, 502, 503]
    answer = client.order("BTCUSDT", "buy", "0.1")
    assert front.seen.count("POST /orders") == 4
    assert [row["order_id"] for row in client.pages("/orders")] == [answer["order"]["order_id"]]


def test_what_may_have_been_done_is_not_done_twice(
    client_of: ClientOf, example: ModuleType, front: Front
) -> None:
    client = client_of(front.url)
    client.account()
    front.faults = [LOST]
    with pytest.raises(example.LOST):
        client.order("BTCUSDT", "buy", "0.1", client_order_id=None)
    front.faults = [502]
    with pytest.raises(example.Refused, match="of_the_front"):
        client.order("BTCUSDT", "buy", "0.1", client_order_id=None)
    assert len(list(client.pages("/orders"))) == 1


def test_it_waits_until_it_may_ask_again(client_of: ClientOf, front: Front) -> None:
    client = client_of(front.url)
    client.account()
    front.faults = [429]
    asked = time.monotonic()
    client.post("/orders", {"symbol": "BTCUSDT", "side": "buy", "size": "0.1"})
    assert time.monotonic() - asked >= int(RETRY_AFTER)
    assert len(list(client.pages("/orders"))) == 1


def test_it_renews_its_token_once(client_of: ClientOf, example: ModuleType, front: Front) -> None:
    client = client_of(front.url)
    client.account()
    front.seen.clear()
    front.faults = [401]
    client.account()
    assert front.seen == ["GET /account/me", "POST /auth/token", "GET /account/me"]
    user = User.objects.get(pk=client.account()["user_id"])
    committed(lambda: revoke_api_keys(reason="A test", user=user))
    with pytest.raises(example.Refused, match="invalid_api_key"):
        client.account()


def test_a_stream_misses_nothing_while_its_server_is_killed(
    client_of: ClientOf, exchange: Exchange
) -> None:
    client = client_of()
    events = client.stream("orders", "account")
    assert next(events).data["kind"] == "margin"  # the stream is open

    def buy(count: int) -> list[dict[str, Any]]:
        return [client.order("BTCUSDT", "buy", "0.001")["order"] for _ in range(count)]

    placed = buy(2)
    heard = orders_heard(events, 2)
    placed += buy(1)
    exchange.kill("stream")
    placed += buy(2)
    exchange.start("stream")
    placed += buy(1)
    heard += orders_heard(events, 4)
    assert heard == placed


def orders_heard(events: Iterator[Any], count: int) -> list[dict[str, Any]]:
    orders = (event.data["order"] for event in events if event.name == "order")
    return list(islice(orders, count))


def test_a_stream_goes_on_where_an_earlier_one_ended(client_of: ClientOf) -> None:
    client = client_of()
    events = client.stream("orders", "account")
    next(events)
    client.order("BTCUSDT", "buy", "0.1")
    last_id = next(event.id for event in events if event.name == "order" and event.id)
    events.close()
    missed = client.order("BTCUSDT", "sell", "0.1")["order"]
    assert orders_heard(client.stream("orders", last_event_id=last_id), 1) == [missed]


def test_a_stream_ends_for_good_with_its_key(client_of: ClientOf, example: ModuleType) -> None:
    client = client_of()
    events = client.stream("account")
    user = User.objects.get(pk=next(events).data["user_id"])
    committed(lambda: revoke_api_keys(reason="A test", user=user))
    with pytest.raises(example.StreamClosed, match="key_revoked"):
        list(events)


def test_the_agent_halves_when_warned_trades_and_ends_flat(
    client_of: ClientOf, exchange: Exchange, start_example: Start
) -> None:
    key = exchange.keys[-1]
    client = client_of()
    client.order("BTCUSDT", "buy", "0.6", leverage=5)
    agent = start_example(key, "agent.py", "--seed", "7", "--steps", "60")
    said = lines_of(agent)

    def step(price: int) -> None:
        committed(lambda: set_price(symbol="BTCUSDT", price=D(price)))

    wait_for(lambda: step(60_000) or any("halving" in line for line in said), what="the warning")
    for price in cycle([60_000, 60_100, 60_000, 59_900, 60_000, 59_500]):
        if agent.poll() is not None:
            break
        step(price)
    assert agent.wait(60) == 0
    trades = [line for line in said if line.startswith(("buy", "sell"))]
    assert len(trades) >= 3
    account = client.account()
    assert account["positions"] == []
    assert f"equity {account['equity']}" == said[-1]
    assert {order["status"] for order in client.pages("/orders")} == {"FILLED"}
    assert ledger_differences() == []


def test_the_agent_ends_in_time_though_prices_stand_still(
    exchange: Exchange, start_example: Start
) -> None:
    agent = start_example(exchange.keys.pop(), "agent.py", "--seconds", "0.5")
    out, err = agent.communicate(timeout=PATIENCE)
    assert (agent.returncode, out) == (0, "equity 10000.00000000\n"), err


def lines_of(process: subprocess.Popen[str]) -> list[str]:
    """Return what a process prints, as a list that grows."""
    lines: list[str] = []

    def read() -> None:
        assert process.stdout is not None
        lines.extend(line.rstrip() for line in process.stdout)

    Thread(target=read, daemon=True).start()
    return lines


def test_the_notebook_shows_an_account_closed_out_in_a_crash(
    exchange: Exchange, start_example: Start, tmp_path: Path
) -> None:
    picture = tmp_path / "crash.svg"
    runner = Path(__file__).with_name("notebook.py")
    process = start_example(exchange.keys.pop(), runner, "crash.ipynb", picture)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, out + err
    assert "1 account(s) liquidated." in out
    assert "closed out at a ratio of 0." in out
    assert "margin ratio; below 0.5" in picture.read_text()
