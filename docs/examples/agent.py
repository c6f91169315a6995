"""A trading agent: bets that a price which strayed from its mean of late goes back to it.

    python agent.py --key beginner-key --seed 7 --seconds 120

It follows the stream, ties up no more than a share of its free margin in one position, halves
what it holds when the exchange warns of its margin, and closes all of it at the end.
"""

import argparse
import os
import time
from collections import defaultdict, deque
from collections.abc import Iterable
from decimal import ROUND_DOWN, Decimal
from random import Random
from statistics import mean, pstdev

from client import Client, Event, Refused

CHANNELS = ("marks", "account", "liquidations")
LOT = Decimal("0.001")
#: So many requests are kept for closing what is open.
FEW = 10


class Agent:
    """One account's trader; the seed decides how far it looks back, and what it dares."""

    def __init__(self, client: Client, seed: str) -> None:
        self.client, chance = client, Random(seed)
        self.window, self.far = chance.randint(5, 12), Decimal(chance.randint(8, 16)) / 10
        self.share = Decimal(chance.randint(5, 20)) / 100
        self.marks: dict[str, deque[Decimal]] = defaultdict(lambda: deque(maxlen=self.window))
        self.look()

    def look(self) -> None:
        """Read what the account holds; from then on the agent knows by its own orders."""
        positions = self.client.account()["positions"]
        self.held = defaultdict(Decimal, {p["symbol"]: p["quantity"] for p in positions})

    def run(self, events: Iterable[Event], *, seconds: float, steps: int) -> None:
        """Trade until the time is over, or so many marks were seen; then close everything."""
        end = time.monotonic() + seconds
        for event in events:
            self.hear(event)
            steps -= event.name == "mark"
            if steps <= 0 or time.monotonic() > end:
                break
        self.reduce(1)

    def hear(self, event: Event) -> None:
        if event.name == "mark":
            self.decide(event.data["symbol"], event.data["price"])
        elif event.data.get("kind") == "margin" and event.data["level"] is not None:
            print(f"margin ratio {event.data['margin_ratio']}: halving", flush=True)
            self.reduce(2)
        elif event.name in ("liquidation", "forgotten"):
            print(f"{event.name}: looking anew", flush=True)
            self.look()

    def decide(self, symbol: str, price: Decimal) -> None:
        """Open where the price is far from its mean, close once it is back."""
        past, held = self.marks[symbol], self.held[symbol]
        past.append(price)
        away = price - mean(past)
        if len(past) < self.window:
            return
        if held and held * away >= 0:
            self.order(symbol, -held, reduce_only=True)
        elif not held and abs(away) > self.far * pstdev(past):
            size = (self.stake() / price).quantize(LOT, ROUND_DOWN)
            self.order(symbol, size.copy_sign(-away))

    def stake(self) -> Decimal:
        """Return how many USDT to bet: within the limits, and nothing when requests run out."""
        limits = self.client.get("/account/limits")
        if limits["requests"] and limits["requests"]["left"] < FEW:
            return Decimal(0)
        free: Decimal = max(self.client.account()["available_margin"], Decimal(0))
        room: Decimal = limits["user_exposure"]["left"]
        return min(free * self.share, room)

    def order(self, symbol: str, quantity: Decimal, **options: bool) -> None:
        if quantity:
            side = "buy" if quantity > 0 else "sell"
            try:
                order = self.client.order(symbol, side, abs(quantity), **options)["order"]
                self.held[symbol] += order["filled_size"].copy_sign(quantity)
                print(f"{side} {order['filled_size']} {symbol} at {order['price']}", flush=True)
            except Refused as refused:
                print(f"{side} {abs(quantity)} {symbol}: {refused}", flush=True)

    def reduce(self, parts: int) -> None:
        """Close one of so many parts of each position."""
        for symbol, held in self.held.items():
            part = held if parts == 1 else (held / parts).quantize(LOT)
            self.order(symbol, -part, reduce_only=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Trade until the time or the steps are over.")
    parser.add_argument("--key", default=os.environ.get("EXCHANGE_KEY", "beginner-key"))
    parser.add_argument("--url", default=os.environ.get("EXCHANGE_URL", "http://127.0.0.1:8000"))
    parser.add_argument("--seed", default="1", help="Same seed and marks, same decisions.")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--steps", type=int, default=1_000_000, help="So many marks at most.")
    asked = parser.parse_args()
    agent = Agent(Client(asked.key, asked.url), asked.seed)
    agent.run(agent.client.stream(*CHANNELS), seconds=asked.seconds, steps=asked.steps)
    print(f"equity {agent.client.account()['equity']}", flush=True)


if __name__ == "__main__":
    main()
