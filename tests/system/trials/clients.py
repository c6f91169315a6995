"""The processes of a trial: threads that place, repeat and cancel orders through an order desk.

Run as ``python -m tests.system.trials.clients DIRECTORY PROCESSES THREADS ORDERS USER_ID...``;
each process is a fork of what this one has loaded, and writes one JSON line per answer into a file
of the directory. Whatever no client should see is an answer of kind ``fault``.
"""

import json
import multiprocessing
import random
import sys
import threading
import traceback
from collections import deque
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.db import connection  # noqa: E402

from market.models import Instrument  # noqa: E402
from risk.engine import Intent  # noqa: E402
from trading.api.serializers import PLACEMENT  # noqa: E402
from trading.errors import ClientOrderIdConflict, OrderNotOpen  # noqa: E402
from trading.orders import desk  # noqa: E402
from trading.orders.tickets import Outcome, Placement, Ticket  # noqa: E402
from trading.services import cancel_order, place_orders  # noqa: E402

# The locks are on trial, not how fast a busy machine opens this many connections and books.
settings.DATABASES["default"]["OPTIONS"]["pool"]["timeout"] = 60
desk.LONGEST_WAIT = 60.0

#: Where marks start; they only fall.
MARKS = {"BTCUSDT": 65_000, "ETHUSDT": 3_200}
MEAN_NOTIONAL = 20_000
BATCH = 10


class Client:
    """One client: a source of random orders for accounts that it shares with others."""

    def __init__(self, name: str, seed: int, user_ids: list[int]) -> None:
        self.name = name
        self.random = random.Random(seed)
        self.user_ids = user_ids
        self.resting: deque[tuple[int, int]] = deque(maxlen=20)
        self.sent: dict[int, list[Ticket]] = {}
        self.count = 0
        self.marks: dict[str, Decimal] = {}

    def work(self, orders: int) -> Iterator[dict[str, Any]]:
        while self.count < orders:
            user_id = self.random.choice(self.user_ids)
            if self.resting and self.random.random() < 0.15:
                yield self.cancel(*self.resting.popleft())
                continue
            self.marks = dict(Instrument.objects.values_list("symbol", "mark_price"))
            size = BATCH if self.random.random() < 0.4 else 1
            tickets = [self.ticket(user_id) for _ in range(min(size, orders - self.count))]
            for ticket, outcome in zip(
                tickets, place_orders(user_id=user_id, tickets=tickets), strict=True
            ):
                yield self.noted(user_id, ticket, outcome)

    def ticket(self, user_id: int) -> Ticket:
        """Return a new order, or one in fifteen times an earlier one once more."""
        self.count += 1
        earlier = self.sent.setdefault(user_id, [])
        if earlier and self.random.random() < 1 / 15:
            return self.random.choice(earlier)
        name = f"{self.name}-{self.count}" if self.random.random() < 0.3 else None
        ticket = Ticket(self.intent(user_id), name)
        if name is not None:
            earlier.append(ticket)
        return ticket

    def intent(self, user_id: int) -> Intent:
        # Two accounts in three trade one instrument, the third trades both.
        symbols = {0: ["BTCUSDT"], 1: ["ETHUSDT"]}.get(user_id % 3, list(MARKS))
        symbol = self.random.choice(symbols)
        notional = self.random.expovariate(1 / MEAN_NOTIONAL) + 100
        kind, is_buy = self.random.random(), self.random.random() < 0.55
        away = Decimal(self.random.uniform(0, 0.01)) * (-1 if is_buy else 1)
        return Intent(
            symbol,
            is_buy,
            (Decimal(notional) / self.marks[symbol]).quantize(Decimal("0.001")) + Decimal("0.001"),
            price=(self.marks[symbol] * (1 + away)).quantize(Decimal("0.01"))
            if kind < 0.3
            else None,
            leverage=self.random.choice([None, 5, 10]),
            reduce_only=kind > 0.85,
        )

    def noted(self, user_id: int, ticket: Ticket, outcome: Outcome) -> dict[str, Any]:
        if isinstance(outcome, ClientOrderIdConflict):
            raise outcome
        order = outcome.order
        if order.status == "NEW" and not outcome.replayed:
            self.resting.append((order.pk, user_id))
        return {"kind": "order", "user_id": user_id, **answer(ticket, outcome)}

    def cancel(self, order_id: int, user_id: int) -> dict[str, Any]:
        try:
            order = cancel_order(order_id=order_id, user_id=user_id)
        except OrderNotOpen:
            return {"kind": "too late", "order_id": order_id}
        return {"kind": "cancel", "order_id": order.pk, "status": order.status}


def answer(ticket: Ticket, placement: Placement) -> dict[str, Any]:
    denial = placement.denial
    return {
        "order_id": placement.order.pk,
        "client_order_id": ticket.client_order_id,
        "replayed": placement.replayed,
        "outcome": denial.code if denial else placement.order.status,
        # The body of the answer, as the API gives it.
        "body": None if denial else PLACEMENT.to_representation(placement.order),
    }


def main() -> None:
    directory, *numbers = sys.argv[1:]
    processes, *rest = map(int, numbers)
    context = multiprocessing.get_context("fork")
    forks = [
        context.Process(target=trade, args=(Path(directory, str(seed)), seed, *rest))
        for seed in range(1, processes + 1)
    ]
    for fork in forks:
        fork.start()
    for fork in forks:
        fork.join()
    raise SystemExit(any(fork.exitcode for fork in forks))


def trade(file: Path, seed: int, threads: int, orders: int, *user_ids: int) -> None:
    """Let ``threads`` clients place ``orders`` each, and write down what they are answered."""
    lock = threading.Lock()
    start = threading.Barrier(threads)

    def say(line: dict[str, Any]) -> None:
        with lock:
            print(json.dumps(line), file=lines)

    def run(number: int) -> None:
        client = Client(f"{seed}-{number}", seed * 1000 + number, [*user_ids])
        start.wait()
        try:
            for line in client.work(orders):
                say(line)
        except Exception:
            say({"kind": "fault", "traceback": traceback.format_exc()})
        finally:
            connection.close()

    desk.open_desk()
    workers = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    with file.open("w") as lines:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    desk.close_desk()


if __name__ == "__main__":
    main()
