"""Orders of others while a session keeps the row of one account locked, for which one waits."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from benchmarks import population
from benchmarks.figures import Figure, at_most
from benchmarks.load import WrongAnswer, connect, drive, fetch_token, http_request
from benchmarks.parts.orders import ORDER, check_ledger, is_filled, load_traders
from benchmarks.stage import Stage

TITLE = "Orders beside a locked account, 8 clients"

CLIENTS: Final = 8
HELD_SECONDS: Final = 3.0


def measure(stage: Stage) -> list[Figure]:
    """Return the latencies of those whose account nobody locks."""
    with stage.database("locked") as database:
        load_traders()
        with stage.web_server(database) as port:
            key, *keys = population.issue_keys(CLIENTS + 1)
            waiting, *requests = (
                http_request("POST", "/orders", token=fetch_token(port, one), body=ORDER)
                for one in (key, *keys)
            )
            drive(port, requests, seconds=0, check=is_filled)
            with held(key), connect(port) as client:
                client.sendall(waiting)
                load = drive(port, requests, seconds=HELD_SECONDS, check=is_filled, warm_up=0)
                if not is_filled(client.recv(65_536)):
                    raise WrongAnswer("the order that waited for its account was not filled")
        check_ledger()
    return [
        Figure("others' orders", load.rate, "orders/s"),
        Figure("others: p50", load.quantile(0.5), "ms"),
        Figure("others: p99", load.quantile(0.99), "ms", at_most(1000)),
    ]


@contextmanager
def held(key: str) -> Iterator[None]:
    """Lock the account of a key in a session of its own, for HELD_SECONDS from now."""
    locked = threading.Event()
    holder = threading.Thread(target=hold, args=(key, locked))
    holder.start()
    locked.wait(timeout=30)
    yield
    holder.join()


def hold(key: str, locked: threading.Event) -> None:
    from django.db import connection, transaction

    from accounts.keys import identify
    from accounts.locks import lock_account

    user_id = identify(key=key).user_id
    with transaction.atomic():
        lock_account(user_id=user_id)
        locked.set()
        time.sleep(HELD_SECONDS)
    connection.close()
