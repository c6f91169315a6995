"""What all pre-trade controls cost an order: each on, at figures that refuse nobody, or all off.

Orders are limits that fill at once, so that the price band is asked too. No two of a client are
equal, so that none is a duplicate.
"""

import itertools
from collections.abc import Iterator
from decimal import Decimal
from statistics import median
from typing import Any, Final

from benchmarks import population
from benchmarks.figures import Figure, at_least
from benchmarks.load import drive, fetch_token, http_request
from benchmarks.parts.orders import ORDER, check_ledger, is_filled, load_traders
from benchmarks.stage import Stage

TITLE = "Pre-trade controls on, 8 clients"

CLIENTS: Final = 8
TURNS: Final = 5
LOT: Final = Decimal("0.0001")
NO_LIMIT: Final = Decimal(10**15)
#: Of the risk policy, of each tier and of the instrument, with all controls on.
POLICY: Final[dict[str, Any]] = {
    "duplicate_seconds": 60,
    "price_band": Decimal("0.1"),
    "volatility_bands": "0.03: 0.75, 0.06: 0.5",
    "margin_mode": "brackets",
    "maintenance_brackets": "BTCUSDT 1000000: 0.004 150x, 999999999999: 0.01 50x",
    "max_fills": 10_000,
    "fills_window_seconds": 60,
}
TIER: Final = {"max_order_value": NO_LIMIT, "max_minute_value": NO_LIMIT}
INSTRUMENT: Final = {"max_order_value": NO_LIMIT, "max_order_size": NO_LIMIT}


def measure(stage: Stage) -> list[Figure]:
    """Return the rate with all controls on ÷ that with all off, turn about."""
    with stage.database("controls") as database:
        load_traders()
        with stage.web_server(database) as port:
            tokens = [fetch_token(port, key) for key in population.issue_keys(CLIENTS)]
            orders = [orders_of(token) for token in tokens]
            ratios = [turn(stage, port, orders, on_first=n % 2 == 0) for n in range(TURNS)]
        check_ledger()
    return [Figure("POST /orders: on ÷ off", median(ratios), "", at_least(0.9))]


def orders_of(token: str) -> Iterator[bytes]:
    """Return limit orders to buy at once, a lot more each time."""
    for lots in itertools.count(1):
        order = ORDER | {"type": "limit", "price": "65001", "size": f"{LOT * lots}"}
        yield http_request("POST", "/orders", token=token, body=order)


def turn(stage: Stage, port: int, orders: list[Iterator[bytes]], *, on_first: bool) -> float:
    """Return the ratio of one turn."""
    rates = {}
    for on in (on_first, not on_first):
        stage.say(f"orders, controls {'on' if on else 'off'}")
        switch(on=on)
        rates[on] = drive(port, orders, seconds=stage.seconds(6), check=is_filled).rate
    return rates[True] / rates[False]


def switch(*, on: bool) -> None:
    """Put all controls on, or off."""
    from market.models import Instrument
    from risk.models import LeverageLimit, RiskPolicy

    for model, controls in ((RiskPolicy, POLICY), (LeverageLimit, TIER), (Instrument, INSTRUMENT)):
        off = {name: model._meta.get_field(name).get_default() for name in controls}
        model._default_manager.update(**(controls if on else off))
