"""Simulated prices are reproducible multiples of the tick size, within the market's bounds."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.kernel.amounts import LARGEST_INPUT, is_multiple
from market.models import Instrument
from market.sources.simulation import SimulationSource


def instrument(
    last: Decimal | None, tick: Decimal = Decimal("0.01"), symbol: str = "BTCUSDT"
) -> Instrument:
    return Instrument(symbol=symbol, tick_size=tick, mark_price=last)


@given(
    ticks=st.integers(1, 10**12),
    tick=st.sampled_from([Decimal("0.01"), Decimal("0.5"), Decimal("0.00001"), Decimal(700)]),
    seed=st.text(min_size=1, max_size=5),
    step=st.integers(1, 10**9),
    volatility=st.decimals(0, 1, places=4),
)
def test_a_price_is_one_that_the_market_accepts(
    ticks: int, tick: Decimal, seed: str, step: int, volatility: Decimal
) -> None:
    last = min(ticks, int((LARGEST_INPUT - tick) / tick)) * tick
    source = SimulationSource(seed=seed, volatility=volatility)
    price = source.fetch([instrument(last, tick)], step)["BTCUSDT"]
    assert tick <= price < LARGEST_INPUT
    assert is_multiple(price, tick)


@pytest.mark.parametrize("last", ["0.01", "999999999.99"])
def test_at_the_bounds_the_walk_goes_on(last: str) -> None:
    source = SimulationSource(seed="7", volatility=Decimal(1))
    prices = {source.fetch([instrument(Decimal(last))], step)["BTCUSDT"] for step in range(20)}
    assert Decimal(last) in prices
    assert len(prices) > 1


def test_the_same_seed_and_step_give_the_same_price() -> None:
    last = [instrument(Decimal(65000))]
    prices = [SimulationSource(seed="7").fetch(last, step) for step in (1, 1, 2)]
    assert prices[0] == prices[1] != prices[2]
    assert SimulationSource(seed="8").fetch(last, 1) != prices[0]


def test_every_process_draws_the_same_price() -> None:
    """That of the process in which this price was noted is one."""
    drawn = SimulationSource(seed="7").fetch([instrument(Decimal(65_000))], 12)
    assert drawn == {"BTCUSDT": Decimal("65049.45")}


def test_symbols_move_each_on_their_own() -> None:
    both = [instrument(Decimal(65000)), instrument(Decimal(65000), symbol="ETHUSDT")]
    prices = SimulationSource(seed="7").fetch(both, 1)
    assert prices["BTCUSDT"] != prices["ETHUSDT"]


def test_without_a_seed_the_walk_is_not_repeated(settings: Any) -> None:
    settings.SIMULATION_SEED = ""
    last = [instrument(Decimal(65000), Decimal("0.00000001"))]
    assert SimulationSource().fetch(last, 1) != SimulationSource().fetch(last, 1)


def test_without_volatility_the_price_stands_still() -> None:
    last = [instrument(Decimal(65000))]
    source = SimulationSource(seed="7", volatility=Decimal(0))
    assert source.fetch(last, 1) == {"BTCUSDT": Decimal(65000)}


def test_an_instrument_without_a_price_gets_none() -> None:
    assert SimulationSource(seed="7").fetch([instrument(None)], 1) == {}
