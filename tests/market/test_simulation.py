"""Simulated prices are reproducible multiples of the tick size."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from market.amounts import is_multiple
from market.models import Instrument
from market.sources.simulation import SimulationSource


def instrument(last: Decimal | None, tick: Decimal = Decimal("0.01")) -> Instrument:
    return Instrument(symbol="BTCUSDT", tick_size=tick, mark_price=last)


@given(
    ticks=st.integers(1, 10_000_000),
    tick=st.sampled_from([Decimal("0.01"), Decimal("0.5"), Decimal("0.00001")]),
    seed=st.text(min_size=1, max_size=5),
    step=st.integers(1, 10**9),
    volatility=st.decimals("0.0001", "2", places=4),
)
def test_a_price_is_a_positive_multiple_of_the_tick(
    ticks: int, tick: Decimal, seed: str, step: int, volatility: Decimal
) -> None:
    source = SimulationSource(seed=seed, volatility=volatility)
    price = source.fetch([instrument(ticks * tick, tick)], step)["BTCUSDT"]
    assert price >= tick
    assert is_multiple(price, tick)


def test_the_same_seed_and_step_give_the_same_price() -> None:
    last = [instrument(Decimal(65000))]
    prices = [SimulationSource(seed="7").fetch(last, step) for step in (1, 1, 2)]
    assert prices[0] == prices[1] != prices[2]
    assert SimulationSource(seed="8").fetch(last, 1) != prices[0]


def test_an_instrument_without_a_price_gets_none() -> None:
    assert SimulationSource(seed="7").fetch([instrument(None)], 1) == {}
