"""A trading agent: bets that a price which strayed from its mean of late goes back to it.

It halves what it holds when warned, and closes all in the end: python agent.py --key beginner-key
"""

from collections import defaultdict, deque
from collections.abc import Iterable
from decimal import Decimal
from random import Random
from statistics import mean, pstdev

from client import Client, Event, command_line, log

CHANNELS = ("marks", "account", "liquidations")


class Agent:
    """One account's trader; the seed decides how far it looks back, and what it dares."""

    def __init__(self, client: Client, seed: str) -> None:
        self.client, self.held, chance = client, client.positions(), Random(seed)
        self.window, self.far = chance.randint(5, 12), Decimal(chance.randint(8, 16)) / 10
        self.share = Decimal(chance.randint(5, 20)) / 100
        self.marks = defaultdict[str, deque[Decimal]](lambda: deque(maxlen=self.window))

    def run(self, events: Iterable[Event]) -> None:
        """Trade until the events are over; then close everything."""
        for event in events:
            if event.name == "mark":
                self.decide(event.data["symbol"], event.data["price"])
            elif event.data.get("kind") == "margin" and event.data["level"] is not None:
                log.info("margin ratio %s: halving", event.data["margin_ratio"])
                self.close(Decimal("0.5"))
            elif event.name in ("liquidation", "forgotten"):
                self.held = self.client.positions()
        self.close(Decimal(1))

    def decide(self, symbol: str, price: Decimal) -> None:
        """Open where the price is far from its mean, close once it is back."""
        past, held = self.marks[symbol], self.held[symbol]
        past.append(price)
        away = price - mean(past)
        if held and held * away >= 0 and len(past) == self.window:
            self.held[symbol] += self.client.trade(symbol, -held, reduce_only=True)
        elif not held and abs(away) > self.far * pstdev(past) and len(past) == self.window:
            stake = self.client.room() * self.share / price
            self.held[symbol] += self.client.trade(symbol, stake.copy_sign(-away))

    def close(self, share: Decimal) -> None:
        for symbol, held in self.held.items():
            self.held[symbol] += self.client.trade(symbol, -held * share, reduce_only=True)


if __name__ == "__main__":
    asked = command_line("Trade until the time or the marks are over.")
    client = Client(asked.key, asked.url)
    Agent(client, asked.seed).run(
        client.stream(*CHANNELS, seconds=asked.seconds, marks=asked.steps)
    )
    log.info("equity %s", client.account()["equity"])
