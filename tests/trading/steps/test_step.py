"""Market steps of one instrument and of all: whose turn it is, and which marks they go on from."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal as D
from threading import Event
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from accounts.models import User
from market.clock import begin_step, end_step
from market.models import Instrument, MarketClock, PriceTick
from market.services import configure_instrument
from tests.trading.conftest import Trader
from trading.steps.by_hand import set_price
from trading.steps.step import run_market_step
from trading.tasks import run_market_step as beat_step

ClientOf = Callable[[User], APIClient]


@pytest.fixture
def api(trader: Trader, client_of: ClientOf) -> APIClient:
    return client_of(trader())


def tick(api: APIClient, symbol: str | None = None) -> bool:
    answer = api.post("/market/tick" + (f"?symbol={symbol}" if symbol else ""))
    assert answer.status_code == 200
    return bool(answer.json()["refreshed"])


def ticks_of(symbol: str) -> int:
    return PriceTick.objects.filter(instrument__symbol=symbol).count()


def marked_long_ago(*symbols: str) -> None:
    for instrument in Instrument.objects.filter(symbol__in=symbols):
        assert instrument.marked_at is not None
        instrument.marked_at = instrument.marked_at.replace(year=2020)
        instrument.stepped_at = None
        instrument.save(update_fields=["marked_at", "stepped_at"])


def test_a_tick_of_one_instrument_is_throttled_by_its_own_mark(
    api: APIClient, settings: Any
) -> None:
    settings.TICK_MIN_INTERVAL_SECONDS = 3600
    assert not tick(api, "BTCUSDT")
    marked_long_ago("BTCUSDT", "ETHUSDT")
    assert tick(api, "BTCUSDT")
    assert not tick(api, "BTCUSDT")
    assert tick(api, "ETHUSDT")
    assert (ticks_of("BTCUSDT"), ticks_of("ETHUSDT")) == (2, 2)


def test_ticks_of_one_instrument_never_hold_up_the_step_of_all(
    api: APIClient, settings: Any
) -> None:
    settings.TICK_INTERVAL_SECONDS = settings.TICK_MIN_INTERVAL_SECONDS = 3600
    MarketClock.objects.update(stepped_at=None)
    for _ in range(5):
        marked_long_ago("BTCUSDT")
        assert tick(api, "BTCUSDT")
    before = ticks_of("ETHUSDT")
    beat_step()
    assert ticks_of("ETHUSDT") == before + 1
    beat_step()
    assert not tick(api)
    assert ticks_of("ETHUSDT") == before + 1
    assert MarketClock.objects.get().stepped_at is not None


@pytest.fixture
def narrow(market: dict[str, Instrument]) -> Instrument:
    """BTCUSDT, whose collar no quote of the simulation meets."""
    configure_instrument(
        reason="A test", instrument=market["BTC"], changes={"price_collar": D("0.00000001")}
    )
    return market["BTC"]


def test_a_tick_whose_price_is_refused_has_the_next_one_wait(
    api: APIClient, settings: Any, narrow: Instrument
) -> None:
    settings.TICK_MIN_INTERVAL_SECONDS = 3600
    marked_long_ago("BTCUSDT", "ETHUSDT")
    before = MarketClock.objects.get().steps
    for _ in range(4):
        assert not tick(api, "BTCUSDT")
    assert MarketClock.objects.get().steps == before + 1
    assert tick(api, "ETHUSDT")


def test_a_step_that_takes_no_price_has_refreshed_none(
    api: APIClient, settings: Any, narrow: Instrument
) -> None:
    settings.TICK_MIN_INTERVAL_SECONDS = 0
    before = MarketClock.objects.get().steps
    assert not tick(api, "BTCUSDT")
    assert tick(api)
    assert MarketClock.objects.get().steps == before + 2
    assert (ticks_of("BTCUSDT"), ticks_of("ETHUSDT")) == (1, 2)


@pytest.mark.django_db(transaction=True)
def test_a_full_step_waits_for_a_step_of_one_instrument(
    market: dict[str, Instrument], own_thread: ThreadPoolExecutor
) -> None:
    MarketClock.objects.update(stepped_at=None)
    before = ticks_of("ETHUSDT")
    btc = market["BTC"]
    held = begin_step(instrument_id=btc.pk)
    assert held is not None
    attempts, tried_again = [], Event()

    def count_attempts(execute: Any, sql: str, *arguments: Any) -> Any:
        if "UPDATE market_marketclock" in sql:
            attempts.append(sql)
            if len(attempts) == 2:
                tried_again.set()
        return execute(sql, *arguments)

    def step() -> None:
        with connection.execute_wrapper(count_attempts):
            run_market_step(min_interval_seconds=60, patience_seconds=60)

    waiting = own_thread.submit(step)
    assert tried_again.wait(timeout=60)
    end_step(step=held)
    waiting.result(timeout=60)
    assert ticks_of("ETHUSDT") == before + 1


@pytest.mark.django_db(transaction=True)
def test_a_step_that_must_not_be_skipped_waits_for_whoever_comes_first(
    market: dict[str, Instrument], own_thread: ThreadPoolExecutor
) -> None:
    """Another step takes the clock right after the one that was waited for has ended."""

    def elsewhere(call: Callable[..., Any], **arguments: Any) -> Any:
        return own_thread.submit(call, **arguments).result(timeout=60)

    first = elsewhere(begin_step)
    # Before each look of the waiting step at the clock, in turn: an attempt, a question, …
    others = iter(
        [
            lambda: None,
            lambda: elsewhere(end_step, step=first),
            lambda: elsewhere(begin_step),
            lambda: None,
            lambda: elsewhere(end_step, step=first + 1),
        ]
    )

    def let_others_in(execute: Any, sql: str, *arguments: Any) -> Any:
        if "market_marketclock" in sql:
            next(others, lambda: None)()
        return execute(sql, *arguments)

    with connection.execute_wrapper(let_others_in):
        result = set_price(symbol="BTCUSDT", price=D(60_000))
    assert result.step == first + 2


@pytest.fixture
def own_thread() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool
        pool.submit(lambda: connection.close()).result()


@pytest.mark.django_db(transaction=True)
def test_a_price_set_before_the_clock_is_taken_is_gone_on_from(
    market: dict[str, Instrument], settings: Any, own_thread: ThreadPoolExecutor
) -> None:
    settings.SIMULATION_VOLATILITY = D("0")
    pending = [D(60_000)]

    def set_price_first(execute: Any, sql: str, *arguments: Any) -> Any:
        """Let somebody else's whole step come in right before this one takes the clock."""
        if "UPDATE market_marketclock" in sql and pending:
            own_thread.submit(set_price, symbol="BTCUSDT", price=pending.pop()).result(timeout=60)
        return execute(sql, *arguments)

    with connection.execute_wrapper(set_price_first):
        assert run_market_step().refreshed
    assert Instrument.objects.get(symbol="BTCUSDT").mark_price == 60_000


def test_an_unknown_symbol_takes_no_clock(api: APIClient) -> None:
    before = MarketClock.objects.values().get()
    assert api.post("/market/tick?symbol=NOSUCH").json()["code"] == "unknown_symbol"
    assert MarketClock.objects.values().get() == before
