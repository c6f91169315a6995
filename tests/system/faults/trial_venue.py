"""A venue order whose process dies between its two transactions: reconciliation settles it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from itertools import repeat

import psutil

from tests.system.binance_standin.faults import Fault
from tests.system.binance_standin.server import BinanceStandin
from tests.system.deployment.processes import free_port, get
from tests.system.faults.conftest import Population, Trials
from tests.system.faults.load import Client
from tests.system.faults.stack import Stack
from tests.waiting import wait_for

ORDER = {
    "client_order_id": "between-two-transactions",
    "symbol": "BTCUSDT",
    "side": "buy",
    "size": "0.001",
    "leverage": 5,
}
STATUS = "SELECT status, filled_size FROM trading_order WHERE client_order_id = %s"


def test_the_process_dies_between_the_two_transactions(
    trials: Trials, population: Population, standin: BinanceStandin
) -> None:
    with trials(name="venue", title="kill -9 within a venue order") as trial:
        stack = trial.stack
        with venue_web(stack) as (web, url):
            client = Client(repeat(url), population.keys[0], "venue")
            standin.fail_next(Fault.HOLD_AFTER)
            placing = threading.Thread(target=client.place, args=(ORDER,), daemon=True)
            placing.start()
            wait_for(lambda: standin.orders, what="the order at the venue")
            web.children()[0].kill()
            killed = time.monotonic()
            placing.join(30)
            standin.release()
        [sent] = client.sent
        assert sent.answer["order"]["status"] == "PENDING_NEW"
        assert sent.replayed, "the order was placed twice"
        wait_for(lambda: settled(stack), what="the reconciliation", seconds=60)
        trial.note(f"settled {time.monotonic() - killed:.2f} s after the kill")
        assert stack.query(STATUS, [sent.client_order_id]) == [("FILLED", Decimal("0.001"))]
        assert len(standin.orders) == 1


def settled(stack: Stack) -> bool:
    [(status, _)] = stack.query(STATUS, [ORDER["client_order_id"]])
    return bool(status != "PENDING_NEW")


@contextmanager
def venue_web(stack: Stack) -> Iterator[tuple[psutil.Process, str]]:
    """Run a further web server, whose orders go to the venue; yield it and its address."""
    port = str(free_port())
    command = ("-m", "exchange_poc.web")
    settings = {"PORT": port, "WEB_WORKERS": "1", "EXCHANGE_VENUE": "binance_testnet"}
    process = stack.spawn(*command, log=stack.root / "venue.log", **settings)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: get(f"{url}/health"), what="the venue's web server", seconds=60)
        yield psutil.Process(process.pid), url
    finally:
        process.terminate()
        process.wait(30)
