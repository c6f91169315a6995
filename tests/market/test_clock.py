"""The clock lets one market step run at a time, and never for longer than its lease."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from market.clock import begin_step, end_step
from market.models import MarketClock


def test_a_second_step_waits_for_the_first_to_end(db: None) -> None:
    first = begin_step()
    assert first is not None
    assert begin_step() is None
    end_step(step=first)
    assert begin_step() == first + 1


def test_a_dead_holder_gives_the_clock_back_when_its_lease_ends(db: None) -> None:
    dead = begin_step(lease_seconds=0)
    assert dead is not None
    alive = begin_step()
    assert alive == dead + 1
    end_step(step=dead)
    assert begin_step() is None


def test_the_minimum_interval_counts_from_the_last_beginning(db: None) -> None:
    step = begin_step()
    assert step is not None
    end_step(step=step)
    assert begin_step(min_interval_seconds=3600) is None
    assert begin_step(min_interval_seconds=0) is not None


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_of_many_at_once_one_gets_the_clock() -> None:
    def contend(_: int) -> int | None:
        try:
            return begin_step()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        steps = list(pool.map(contend, range(12)))
    assert len([step for step in steps if step is not None]) == 1
    assert MarketClock.objects.get().steps == 1
