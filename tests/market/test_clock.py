"""The clock lets one market step run at a time, and never for longer than its lease."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction
from django.db.backends.postgresql.base import DatabaseWrapper
from django.utils import timezone

from market.clock import begin_step, end_step
from market.models import MarketClock
from tests.market.pooler import Pooler


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


@pytest.mark.django_db(transaction=True)
def test_a_dead_holder_gives_the_clock_back_when_its_connection_ends() -> None:
    with ThreadPoolExecutor(1) as pool:
        pid = pool.submit(begin_step_and_keep_connection).result()
        assert begin_step() is None
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
            assert cursor.fetchone() == (True,)
        assert begin_step() is not None
        pool.submit(lambda: connection.close()).result()


@pytest.mark.django_db(transaction=True)
def test_behind_a_pooler_a_step_outlives_the_connection_that_began_it() -> None:
    """A pooler serves the next transaction by another connection and closes them as it likes."""
    with ThreadPoolExecutor(1) as pool:
        step, pid = pool.submit(begin_step_behind_a_pooler).result()
    end_process(pid)
    assert begin_step() is None
    end_step(step=step)
    with ThreadPoolExecutor(1) as pool:
        dead, _ = pool.submit(begin_step_behind_a_pooler, lease_seconds=0).result()
    assert begin_step() == dead + 1


@pytest.mark.django_db(transaction=True)
def test_a_step_that_lost_its_connection_behind_a_pooler_gives_the_clock_back() -> None:
    step = begin_step()
    assert step is not None
    MarketClock.objects.update(holder_pid=None)
    lost = connection.connection.info.backend_pid
    with ThreadPoolExecutor(1) as pool:
        pool.submit(end_process, lost).result()
        pool.submit(lambda: connection.close()).result()
    end_step(step=step)
    assert begin_step() == step + 1


def end_process(pid: int) -> None:
    """Return when this process of the server is gone."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


def begin_step_behind_a_pooler(**lease: float) -> tuple[int, int]:
    """Take the clock through a pooler; return the step and the server process that was used."""
    told = connection.settings_dict
    pooler = Pooler(told["HOST"], int(told["PORT"]))
    options = {key: value for key, value in told["OPTIONS"].items() if key != "pool"}
    connections["default"] = DatabaseWrapper(
        {
            **told,
            "HOST": "127.0.0.1",
            "PORT": str(pooler.port),
            "OPTIONS": {**options, "sslmode": "disable", "gssencmode": "disable"},
        }
    )
    try:
        step = begin_step(**lease)
        assert step is not None
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            return step, cursor.fetchone()[0]
    finally:
        connection.close()
        pooler.close()


def begin_step_and_keep_connection() -> int:
    """Take the clock and return the process id of the server's end of the connection."""
    assert begin_step() is not None
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def test_the_minimum_interval_counts_from_the_last_beginning(db: None) -> None:
    step = begin_step()
    assert step is not None
    end_step(step=step)
    assert begin_step(min_interval_seconds=3600) is None
    assert begin_step(min_interval_seconds=0) is not None


def test_a_step_waits_for_its_turn_if_that_comes_within_its_patience(db: None) -> None:
    almost = timezone.now() - timedelta(seconds=3599)
    MarketClock.objects.update(stepped_at=almost)
    step = begin_step(min_interval_seconds=3600, patience_seconds=60)
    assert step is not None
    end_step(step=step)
    assert begin_step(min_interval_seconds=3600, patience_seconds=60) is None


def test_a_clock_that_is_not_its_turn_is_left_as_it_is(db: None) -> None:
    begin_step()
    before = MarketClock.objects.values().get()
    assert begin_step() is None
    assert MarketClock.objects.values().get() == before


@pytest.mark.django_db(transaction=True)
def test_steps_never_overlap() -> None:
    one_at_a_time = threading.Lock()
    start = threading.Barrier(4)

    def contend(_: int) -> list[int]:
        steps = []
        start.wait()
        try:
            for _ in range(25):
                step = begin_step()
                if step is None:
                    continue
                assert one_at_a_time.acquire(blocking=False), "two steps ran at once"
                steps.append(step)
                one_at_a_time.release()
                end_step(step=step)
        finally:
            connection.close()
        return steps

    with ThreadPoolExecutor(4) as pool:
        steps = sorted(step for own in pool.map(contend, range(4)) for step in own)
    assert steps == list(range(1, len(steps) + 1))
    assert MarketClock.objects.get().steps == len(steps) > 0


@pytest.mark.django_db(transaction=True)
def test_the_clock_is_not_taken_inside_a_transaction() -> None:
    """The lease would stay invisible to others until the commit."""
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        begin_step()
    assert MarketClock.objects.get().steps == 0
