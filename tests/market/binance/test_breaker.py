"""The circuit breaker: closed, open, half-open."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from market.binance.breaker import BreakerState, CircuitBreaker
from tests.system.binance_standin.manual_clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def breaker(clock: ManualClock) -> CircuitBreaker:
    return CircuitBreaker(cool_down=5, longest=60, clock=clock)


def test_closed_it_lets_every_call_through(breaker: CircuitBreaker) -> None:
    breaker.succeeded()
    assert breaker.state is BreakerState.CLOSED
    assert breaker.allows()
    assert breaker.allows()


def test_open_it_lets_none_through_until_the_pause_is_over(
    breaker: CircuitBreaker, clock: ManualClock
) -> None:
    breaker.failed()
    assert breaker.state.value == "open"
    clock.advance(4.9)
    assert not breaker.allows()
    clock.advance(0.1)
    assert breaker.allows()
    assert breaker.state is BreakerState.HALF_OPEN


def test_pauses_grow_to_the_longest(breaker: CircuitBreaker, clock: ManualClock) -> None:
    breaker.failed()
    for pause in (5, 10, 20, 40, 60, 60):
        clock.advance(pause - 0.1)
        assert not breaker.allows()
        clock.advance(0.1)
        assert breaker.allows()
        breaker.failed()


def test_success_closes_it_and_forgets(breaker: CircuitBreaker, clock: ManualClock) -> None:
    for pause in (5, 10):
        breaker.failed()
        clock.advance(pause)
        assert breaker.allows()
    breaker.succeeded()
    assert breaker.allows()
    breaker.failed()
    clock.advance(5)
    assert breaker.allows()


def test_calls_that_fail_together_count_once(breaker: CircuitBreaker, clock: ManualClock) -> None:
    for _ in range(8):
        breaker.failed()
    clock.advance(5)
    assert breaker.allows()


def test_a_call_that_began_before_the_pause_does_not_change_it(
    breaker: CircuitBreaker, clock: ManualClock
) -> None:
    breaker.failed()
    clock.advance(5)
    assert breaker.allows()
    breaker.failed()
    clock.advance(4)
    breaker.failed()
    clock.advance(5.9)
    assert not breaker.allows()
    clock.advance(0.1)
    assert breaker.allows()


def test_of_many_threads_one_tries(breaker: CircuitBreaker, clock: ManualClock) -> None:
    breaker.failed()
    clock.advance(5)
    together = Barrier(16)

    def ask(_: int) -> bool:
        together.wait()
        return breaker.allows()

    with ThreadPoolExecutor(16) as threads:
        assert sum(threads.map(ask, range(16))) == 1


def test_a_try_without_an_outcome_is_followed_by_another(
    breaker: CircuitBreaker, clock: ManualClock
) -> None:
    breaker.failed()
    clock.advance(5)
    assert breaker.allows()
    assert not breaker.allows()
    clock.advance(5)
    assert breaker.allows()
