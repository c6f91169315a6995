"""One client_order_id sent fifty times at once, over HTTP to a real server of two processes."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
import requests

from accounts.keys import issue_api_key
from accounts.services import create_user
from market.services import list_instrument
from tests.system.deployment.processes import end_group, free_port, get
from tests.system.trials.conftest import environment_of_processes
from tests.waiting import wait_for
from trading.history.ledger_check import ledger_differences
from trading.models import Order, Trade
from trading.steps.by_hand import step_at_prices

D = Decimal
AT_ONCE = 50

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def server(django_db_setup: None) -> Iterator[str]:
    """The address of a web server that works on the tests' database."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "exchange_poc.web"],
        env=environment_of_processes() | {"PORT": str(port)},
        text=True,
        start_new_session=True,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: get(f"{url}/health"), what="The server")
        yield url
    finally:
        end_group(process)


@pytest.fixture
def call(server: str) -> Callable[..., requests.Response]:
    """Post to the API with the token of a trader."""
    list_instrument(
        reason="A test",
        symbol="BTCUSDT",
        base_asset="BTC",
        tick_size=D("0.01"),
        lot_size=D("0.001"),
    )
    step_at_prices({"BTCUSDT": D(65_000)})
    _, key = issue_api_key(
        reason="A test", user=create_user(username="hasty", opening_balance=D(100_000))
    )
    token = requests.post(f"{server}/auth/token", json={"api_key": key}, timeout=10)
    header = {"Authorization": f"Bearer {token.json()['access_token']}"}

    def post(path: str, body: object) -> requests.Response:
        return requests.post(server + path, json=body, headers=header, timeout=30)

    return post


@pytest.mark.parametrize("path", ["/orders", "/orders/batch"])
def test_fifty_times_at_once_is_one_order(
    call: Callable[..., requests.Response], path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    order = {"symbol": "BTCUSDT", "side": "buy", "size": "0.1", "client_order_id": "same"}
    body = order if path == "/orders" else {"orders": [order]}
    start = threading.Barrier(AT_ONCE)

    def send(_: int) -> tuple[bool, object]:
        start.wait()
        answer = call(path, body)
        assert answer.status_code == 200
        if path == "/orders":
            return answer.headers.get("Idempotent-Replayed") == "true", answer.json()
        [result] = answer.json()["results"]
        return result.pop("idempotent_replayed"), result

    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(send, range(AT_ONCE)))
    replays = [replayed for replayed, _ in answers].count(True)
    with capsys.disabled():
        print(f"\n{path}: {AT_ONCE} at once, {replays} replayed")
    assert replays == AT_ONCE - 1
    bodies = [body for _, body in answers]
    assert bodies == [bodies[0]] * AT_ONCE
    assert (Order.objects.count(), Trade.objects.count()) == (1, 1)
    assert ledger_differences() == []
