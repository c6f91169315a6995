"""A price source cannot throw the market: a quote beyond the collar halts its instrument."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from io import StringIO
from itertools import pairwise
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from market.errors import AlreadyReleased
from market.models import HaltOutcome, Instrument, MarketClock, PriceHalt, PriceOrigin, PriceTick
from market.quotes import Quote
from market.services import configure_instrument, halt_instrument, resume_instrument
from risk.services import change_policy
from tests.each import each
from tests.system.binance_standin.server import BinanceStandin
from tests.trading.conftest import Trader, order, state_of
from trading.models import Liquidation, OrderStatus
from trading.services import cancel_order
from trading.steps.by_hand import set_price, step_at_prices, take_refused_price
from trading.steps.step import StepResult, apply_marks, run_market_step

pytest_plugins = ["tests.system.binance_standin.fixtures"]

D = Decimal
ClientOf = Callable[[User], APIClient]
SIMULATION, BINANCE = PriceOrigin.SIMULATION, PriceOrigin.BINANCE_TESTNET


def quoted(source: PriceOrigin = SIMULATION, **prices: str) -> StepResult:
    """Run one market step with quotes of a price source, by symbol."""

    def quotes(instruments: Sequence[Instrument], step: int) -> Mapping[int, Quote]:
        return {i.pk: Quote(D(prices[i.symbol]), source) for i in instruments if i.symbol in prices}

    return run_market_step(quote_source=quotes)


def btc() -> Instrument:
    return Instrument.objects.get(symbol="BTCUSDT")


def mark(symbol: str = "BTCUSDT") -> Decimal | None:
    return Instrument.objects.get(symbol=symbol).mark_price


def test_a_quote_beyond_the_collar_is_not_taken_and_halts(trader: Trader) -> None:
    user = trader("10000")
    order(user, "buy", "1", leverage=10)
    ticks = PriceTick.objects.count()
    result = quoted(BTCUSDT="0.01", ETHUSDT="3300")
    assert (mark(), mark("ETHUSDT"), btc().halted) == (65_000, 3_300, True)
    assert not Liquidation.objects.exists()
    assert PriceTick.objects.count() == ticks + 1
    assert set(result.quotes) == {Instrument.objects.get(symbol="ETHUSDT").pk}
    [halt] = result.halts
    assert (halt.mark_price, halt.price, halt.source, halt.collar) == (
        65_000,
        D("0.01"),
        SIMULATION,
        D("0.3"),
    )
    assert halt.reason == (
        "0.01 of Local simulation is −99.999985 % from the mark 65000; the collar is 30 %."
    )
    assert order(user, "buy", "0.01").reject_code == "instrument_halted"


@each(
    ("price", "taken"), [("45500", True), ("45499.99", False), ("84500", True), ("84500.01", False)]
)
def test_the_collar_is_thirty_percent_of_the_mark(
    market: dict[str, Instrument], price: str, taken: bool
) -> None:
    quoted(BTCUSDT=price)
    assert (mark(), btc().halted) == (D(price) if taken else 65_000, not taken)


def test_an_instruments_own_collar_goes_before_the_policys(market: dict[str, Instrument]) -> None:
    change_policy(reason="A test", changes={"price_collar": D("0.01")})
    configure_instrument(reason="A test", instrument=btc(), changes={"price_collar": D("0.05")})
    quoted(BTCUSDT="68000", ETHUSDT="3300")
    assert (mark(), mark("ETHUSDT")) == (68_000, 3_200)


def test_a_halted_instrument_takes_quotes_within_the_collar_and_closes_out(
    trader: Trader,
) -> None:
    user = trader("10000")
    order(user, "buy", "1", leverage=10)
    resting = order(trader(), "buy", "0.1", price="60000")
    quoted(BTCUSDT="1000000")
    quoted(BTCUSDT="58249")
    assert mark() == 58_249
    assert state_of(user).balance == 3_249
    resting.refresh_from_db()
    assert resting.status == OrderStatus.NEW
    assert btc().halted


def test_further_quotes_beyond_the_collar_make_no_further_halt(
    market: dict[str, Instrument],
) -> None:
    assert [len(quoted(BTCUSDT=price).halts) for price in ("1", "2", "200000")] == [1, 0, 0]
    assert PriceHalt.objects.get().price == 1
    resume_instrument(reason="A test", instrument=btc())
    assert PriceHalt.objects.get().outcome == HaltOutcome.KEPT
    assert len(quoted(BTCUSDT="2").halts) == 1


@pytest.mark.parametrize("moment", ["UPDATE market_marketclock", '"market_instrument"."id" IN'])
def test_a_price_is_not_taken_once_somebody_kept_the_old_mark(
    market: dict[str, Instrument], moment: str
) -> None:
    """They decide while the step waits for the clock, or once it has its price."""
    [halt] = quoted(BTCUSDT="0.01").halts
    undecided = [btc()]

    def keep_first(execute: Any, sql: str, *arguments: Any) -> Any:
        if moment in sql and undecided:
            resume_instrument(reason="A test", instrument=undecided.pop())
        return execute(sql, *arguments)

    with connection.execute_wrapper(keep_first), pytest.raises(AlreadyReleased):
        take_refused_price(reason="A test", halt=halt)
    assert undecided == []
    assert (mark(), btc().halted) == (65_000, False)
    assert PriceHalt.objects.get().outcome == HaltOutcome.KEPT
    assert MarketClock.objects.get().busy_until is None


def test_orders_that_a_taken_price_reaches_are_filled(trader: Trader) -> None:
    resting = order(trader(), "buy", "0.01", price="40000")
    [halt] = quoted(BTCUSDT="39000").halts
    assert [done.pk for done in take_refused_price(reason="A test", halt=halt).ended_orders] == [
        resting.pk
    ]
    assert (mark(), btc().halted) == (39_000, False)
    assert PriceHalt.objects.get().outcome == HaltOutcome.TAKEN


def test_a_halt_by_hand_is_told_of_the_quote_too(market: dict[str, Instrument]) -> None:
    halt_instrument(reason="A test", instrument=btc())
    [halt] = quoted(BTCUSDT="2").halts
    assert halt.instrument == btc()
    assert btc().history.count() == 2


@each("staff_first", [True, False])
@each("outcome", HaltOutcome)
def test_a_halt_by_hand_outlasts_the_release(
    market: dict[str, Instrument], outcome: HaltOutcome, staff_first: bool
) -> None:
    if staff_first:
        halt_instrument(reason="A test", instrument=btc())
    [halt] = quoted(BTCUSDT="2").halts
    if not staff_first:
        halt_instrument(reason="A test", instrument=btc())
    if outcome == HaltOutcome.TAKEN:
        take_refused_price(reason="A test", halt=halt)
    else:
        resume_instrument(reason="A test", instrument=btc())
    assert PriceHalt.objects.get().outcome == outcome
    assert btc().halted
    resume_instrument(reason="A test", instrument=btc())
    assert not btc().halted


def test_a_first_mark_meets_no_collar(market: dict[str, Instrument]) -> None:
    Instrument.objects.filter(symbol="BTCUSDT").update(mark_price=None, marked_at=None)
    quoted(BTCUSDT="1")
    assert (mark(), btc().halted) == (1, False)


def test_another_source_meets_no_collar_while_nothing_is_open(
    market: dict[str, Instrument],
) -> None:
    quoted(BINANCE, BTCUSDT="120000")
    assert (mark(), btc().halted, btc().mark_source) == (120_000, False, BINANCE)
    quoted(BINANCE, BTCUSDT="65000")
    assert (mark(), btc().halted) == (120_000, True)


def test_another_source_meets_the_collar_while_a_position_is_open(trader: Trader) -> None:
    user = trader()
    order(user, "buy", "0.1")
    quoted(BINANCE, BTCUSDT="120000", ETHUSDT="9000")
    assert (mark(), mark("ETHUSDT")) == (65_000, 9_000)
    resume_instrument(reason="A test", instrument=btc())
    order(user, "sell", "0.1")
    quoted(BINANCE, BTCUSDT="120000")
    assert mark() == 120_000


@pytest.mark.parametrize("reduce_only", [False, True])
def test_another_source_meets_the_collar_while_an_order_is_open(
    trader: Trader, reduce_only: bool
) -> None:
    user = trader()
    order(user, "buy", "0.1")
    resting = order(user, "sell", "0.1", price="70000", reduce_only=reduce_only)
    order(user, "sell", "0.1")
    quoted(BINANCE, BTCUSDT="120000")
    assert mark() == 65_000
    resume_instrument(reason="A test", instrument=btc())
    cancel_order(order_id=resting.pk, user_id=user.pk)
    quoted(BINANCE, BTCUSDT="120000")
    assert mark() == 120_000


def test_binance_cannot_throw_the_market(
    trader: Trader, client_of: ClientOf, binance_standin: BinanceStandin, settings: Any
) -> None:
    settings.PRICE_SOURCES = ["binance_testnet", "simulation"]
    settings.BINANCE_BASE_URL = binance_standin.url
    settings.TICK_MIN_INTERVAL_SECONDS = 0
    user = trader()
    order(user, "buy", "1", leverage=10)
    binance_standin.set_price("BTCUSDT", "0.01")
    answer = client_of(user).post("/market/tick").json()
    assert [price["price"] for price in answer["prices"]] == ["65000.00000000", "3200.00000000"]
    assert (btc().halted, PriceHalt.objects.get().source) == (True, BINANCE)
    assert btc().history.latest().history_user is None


def test_the_tick_command_is_bound_too(market: dict[str, Instrument], settings: Any) -> None:
    settings.SIMULATION_VOLATILITY = D("1")
    out = StringIO()
    call_command("tick", "--count", "20", "--seed", "7", stdout=out)
    assert "Halted BTCUSDT: " in out.getvalue()
    ticks = PriceTick.objects.filter(instrument=btc()).order_by("id")
    prices = list(ticks.values_list("price", flat=True))
    moves = [abs(after / before - 1) for before, after in pairwise(prices)]
    assert moves
    assert max(moves) <= D("0.3")


def test_a_person_may_set_any_price_and_is_warned(trader: Trader) -> None:
    user = trader("10000")
    order(user, "buy", "1", leverage=10)
    [leap] = set_price(symbol="BTCUSDT", price=D(10)).leaps
    assert (leap.mark_price, leap.quote.price, leap.collar) == (65_000, 10, D("0.3"))
    assert (mark(), btc().halted, Liquidation.objects.count()) == (10, False, 1)
    assert len(step_at_prices({"BTCUSDT": D(65_000)}).leaps) == 1
    assert set_price(symbol="BTCUSDT", price=D(66_000)).leaps == []


def test_marks_that_another_step_moved_are_compared(market: dict[str, Instrument]) -> None:
    """The mark that counts is the one in the database, not what a source was told."""
    set_price(symbol="BTCUSDT", price=D(1_000))
    quotes = {market["BTC"].pk: Quote(D(65_000), SIMULATION)}
    apply_marks(quotes=quotes, now=timezone.now())
    assert mark() == 1_000
