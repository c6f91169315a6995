"""What the demo's traders want: one strategy per tier, from what an agent sees to its tickets.

Pure: the same view and the same random generator give the same tickets.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Final

from accounts.models import Tier
from market.kernel.amounts import ZERO, round_to_multiple
from risk.engine import Intent
from trading.orders.tickets import Ticket

#: Shares: a trend worth following, the distance of limit orders, a hedge out of balance.
TREND: Final = Decimal("0.006")
DISTANCES: Final = (Decimal("0.004"), Decimal("0.008"), Decimal("0.015"), Decimal("0.03"))
IMBALANCE: Final = Decimal("0.15")
#: One ticket in so many is a mistake that the exchange should refuse.
MISTAKE_IN: Final = 15
RESTING_LIMIT: Final = 6


@dataclass(frozen=True, slots=True)
class Listing:
    """An instrument as an agent sees it; ``trend`` is the change over the last hours, a share."""

    mark: Decimal
    tick_size: Decimal
    lot_size: Decimal
    trend: Decimal

    def size(self, notional: Decimal) -> Decimal:
        return round_to_multiple(notional / self.mark, self.lot_size)

    def price(self, distance: Decimal) -> Decimal:
        return round_to_multiple(self.mark * (1 + distance), self.tick_size)


@dataclass(frozen=True, slots=True)
class View:
    """What an agent decides on: listings and signed quantities held by symbol, amounts in USDT."""

    listings: Mapping[str, Listing]
    holdings: Mapping[str, Decimal]
    equity: Decimal
    resting: int

    def held(self, symbol: str) -> Decimal:
        return self.holdings.get(symbol, ZERO)


Strategy = Callable[[View, Random], list[Intent]]


def tickets_of(tier: Tier, view: View, rng: Random) -> list[Ticket]:
    """Return what an agent of a tier orders now, now and then with a mistake."""
    intents = STRATEGIES[tier](view, rng) if view.equity > 0 else []
    if rng.randrange(MISTAKE_IN) == 0:
        intents.append(mistake(view, rng))
    return [Ticket(intent) for intent in intents if intent.size > 0]


def follow_momentum(view: View, rng: Random) -> list[Intent]:
    """Enter a trend with nearly all of the equity at the highest leverage; leave when it turns."""
    symbol = rng.choice(list(view.listings))
    listing, held = view.listings[symbol], view.held(symbol)
    if held and (held > 0) != (listing.trend > 0):
        return [closing(symbol, held)]
    if held or abs(listing.trend) < TREND:
        return []
    notional = view.equity * 5 * Decimal(rng.randint(60, 97)) / 100
    return [Intent(symbol, listing.trend > 0, listing.size(notional), leverage=5)]


def go_all_in(view: View, symbol: str) -> list[Ticket]:
    """Close everything and buy one instrument with all of the equity: what a crash punishes."""
    closings = [closing(name, held) for name, held in view.holdings.items()]
    notional = view.equity * 5 * Decimal("0.97")
    size = view.listings[symbol].size(notional)
    return [Ticket(intent) for intent in (*closings, Intent(symbol, True, size, leverage=5))]


def revert_to_mean(view: View, rng: Random) -> list[Intent]:
    """Quote limit orders on both sides of the mark; halve a position that has grown large."""
    symbol = rng.choice(list(view.listings))
    listing, held = view.listings[symbol], view.held(symbol)
    if abs(held) * listing.mark > 2 * view.equity:
        return [closing(symbol, round_to_multiple(held / 2, listing.lot_size))]
    if view.resting >= RESTING_LIMIT:
        return []
    notional = view.equity * Decimal(rng.randint(20, 50)) / 100
    distance = rng.choice(DISTANCES)
    return [
        Intent(symbol, side, listing.size(notional), listing.price(-distance if side else distance))
        for side in (True, False)
    ]


def hedge(view: View, rng: Random) -> list[Intent]:
    """Hold one instrument long and the other short for the same notional, and keep them level."""
    long, short = sorted(view.listings)[:2]
    if rng.randrange(2):
        long, short = short, long
    notionals = {name: view.held(name) * view.listings[name].mark for name in (long, short)}
    if not any(notionals.values()):
        notional = view.equity * Decimal(rng.randint(100, 250)) / 100
        return [market(view, long, notional), market(view, short, -notional)]
    if rng.randrange(12) == 0:
        return [closing(name, view.held(name)) for name in (long, short) if view.held(name)]
    gap = sum(notionals.values(), ZERO)
    if abs(gap) <= IMBALANCE * max(abs(value) for value in notionals.values()):
        return []
    return [market(view, max(notionals, key=lambda name: abs(notionals[name])), -gap)]


STRATEGIES: Final[Mapping[Tier, Strategy]] = {
    Tier.BEGINNER: follow_momentum,
    Tier.INTERMEDIATE: revert_to_mean,
    Tier.ADVANCED: hedge,
}


def market(view: View, symbol: str, notional: Decimal) -> Intent:
    """Return a market order for a signed notional."""
    return Intent(symbol, notional > 0, view.listings[symbol].size(abs(notional)), leverage=10)


def closing(symbol: str, quantity: Decimal) -> Intent:
    """Return the market order that takes a signed quantity off a position."""
    return Intent(symbol, quantity < 0, abs(quantity), reduce_only=True)


def mistake(view: View, rng: Random) -> Intent:
    """Return an order that the exchange refuses, for one of several reasons."""
    symbol = rng.choice(list(view.listings))
    listing, held = view.listings[symbol], view.held(symbol)
    lot = listing.lot_size
    some = listing.size(Decimal(200))
    return rng.choice(
        (
            Intent(symbol, True, listing.size(abs(view.equity) * 40 + 1000)),
            Intent(symbol, True, some, leverage=50),
            Intent(symbol, held >= 0, some, reduce_only=True),
            Intent(symbol, True, lot),
            Intent(symbol, True, some + lot / 2),
            Intent(symbol, True, some, listing.price(ZERO) + listing.tick_size / 2),
            Intent("DOGEUSDT", True, Decimal(100)),
        )
    )
