"""A few hours of a small exchange, for pictures: traded over the API, stepped by the minute."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Final

import time_machine
from django.utils import timezone

from accounts.authentication import issue_token
from accounts.keys import issue_api_key
from accounts.models import ApiKey, Tier
from accounts.services import create_user
from kpi.history.snapshots import take_snapshot
from market.models import Instrument
from market.services import list_instrument
from tests.conftest import ApiClient
from trading.demo.data import seed_demo
from trading.steps.by_hand import step_at_prices

LISTED: Final = (
    ("BNB", "0.01", "0.001", "610"),
    ("SOL", "0.01", "0.01", "148"),
    ("XRP", "0.0001", "0.1", "2.31"),
    ("DOGE", "0.00001", "1", "0.182"),
)
NAMES: Final = (
    *("ada", "bela", "cleo", "dana", "egon", "fritz", "gita", "hugo", "ines", "jaro", "kira"),
    *("leon", "mira", "nils", "olga", "paul", "quin", "rosa", "sven", "tara", "udo", "vera"),
)
DEPOSITS: Final = {Tier.BEGINNER: 10_000, Tier.INTERMEDIATE: 20_000, Tier.ADVANCED: 30_000}
LEVERAGES: Final = {Tier.BEGINNER: 5, Tier.INTERMEDIATE: 10, Tier.ADVANCED: 20}


@dataclass(frozen=True, slots=True)
class Trader:
    """Somebody who trades; ``boldness`` (0 to 1) is the share of the balance put at stake."""

    key: ApiKey
    tier: Tier
    boldness: float


def play(*, minutes: int, seed: int = 4) -> None:
    """Let a seeded exchange trade for the last ``minutes`` minutes, a snapshot each."""
    chance = random.Random(seed)
    start = timezone.now() - timedelta(minutes=minutes)
    with time_machine.travel(start - timedelta(minutes=1), tick=False):
        traders = open_exchange(chance)
        take_snapshot()
    for minute in range(minutes + 1):
        with time_machine.travel(start + timedelta(minutes=minute), tick=False):
            move_prices(chance)
            for trader in chance.choices(traders, k=chance.randint(1, 4)):
                trade(trader, chance)
            take_snapshot()


def open_exchange(chance: random.Random) -> Sequence[Trader]:
    """Seed the demo, list more instruments and open the traders' accounts."""
    seed_demo()
    for base, tick_size, lot_size, _ in LISTED:
        list_instrument(
            reason="A test",
            symbol=f"{base}USDT",
            base_asset=base,
            tick_size=Decimal(tick_size),
            lot_size=Decimal(lot_size),
            min_notional=Decimal(5),
        )
    step_at_prices({f"{base}USDT": Decimal(price) for base, _, _, price in LISTED})
    traders = []
    for number, name in enumerate(NAMES):
        tier = list(Tier)[number % 3]
        user = create_user(username=name, tier=tier, opening_balance=Decimal(DEPOSITS[tier]))
        key, _ = issue_api_key(reason="A test", user=user)
        traders.append(Trader(key, tier, chance.random()))
    return traders


def move_prices(chance: random.Random) -> None:
    """Run a market step in which every instrument follows the market and a mind of its own."""
    market = chance.gauss(0, 0.0022)
    prices = {}
    for row in Instrument.objects.all():
        assert row.mark_price is not None
        factor = Decimal(str(round(1 + market + chance.gauss(0, 0.0018), 6)))
        steps = (row.mark_price * factor / row.tick_size).quantize(Decimal(1))
        prices[row.symbol] = steps * row.tick_size
    step_at_prices(prices)


def trade(trader: Trader, chance: random.Random) -> None:
    """Place an order over the API: one that fits, or now and then one that the rules refuse."""
    client = ApiClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {issue_token(trader.key)}")
    row = chance.choice(list(Instrument.objects.all()))
    leverage = LEVERAGES[trader.tier]
    assert row.mark_price is not None
    stake = Decimal(str(round(DEPOSITS[trader.tier] * trader.boldness * chance.uniform(0.1, 0.6))))
    lots = (stake * leverage / row.mark_price / row.lot_size).quantize(Decimal(1))
    client.get("/account/me")
    client.post(
        "/orders",
        {
            "symbol": row.symbol,
            "side": chance.choice(
                ("buy", "sell", "sell") if trader.boldness < 0.3 else ("buy", "buy", "sell")
            ),
            "size": str(lots * row.lot_size),
            "leverage": leverage * 2 if chance.random() < 0.06 else leverage,
        },
    )
