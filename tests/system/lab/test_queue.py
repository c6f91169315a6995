"""Cells computed by Celery workers on the lab's queue: the same digits, also after a death."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from exchange_poc.launcher.local_dir import PROJECT_ROOT
from kpi.lab import queue
from kpi.lab.models import CellState, LabCell, LabStudy
from kpi.lab.queue import compute_cell
from kpi.lab.selectors import find_study, progress_of
from tests.kpi.lab.test_command import digests, forget, lab
from tests.system.deployment.processes import end_group
from tests.system.lab.conftest import Written, interrupted
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

Workers = Callable[[int], subprocess.Popen[str]]


@pytest.fixture
def workers(environment: dict[str, str]) -> Iterator[Workers]:
    """Start workers of the queue ``lab``: ``workers(3)``."""
    redis.Redis.from_url(settings.REDIS_URL).flushdb()
    started = []

    def start(count: int) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "lab", "work", "--processes", str(count)],
            cwd=PROJECT_ROOT,
            env=environment,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        end_group(process)
    redis.Redis.from_url(settings.REDIS_URL).flushdb()


def test_workers_give_the_same_digits_as_processes_though_some_are_killed(
    study: Written, workers: Workers
) -> None:
    path = study(seeds=4, accounts=1_000)
    lab("run", path, "--processes", "1")
    by_processes = digests()
    assert len(by_processes) == 12
    forget()
    with ThreadPoolExecutor(1) as thread:
        run = thread.submit(run_by_workers, path)
        dead = workers(1)
        wait_for(
            lambda: digests() and LabCell.objects.filter(state=CellState.RUNNING).exists(),
            what="a cell at work after another",
            seconds=120,
        )
        os.killpg(dead.pid, signal.SIGKILL)
        dead.wait(timeout=60)
        assert len(digests()) < 12
        before = claims()
        workers(2)
        assert "Computed 12, reused 0" in run.result()
    assert digests() == by_processes
    assert len(claims() - before) > 1, "each of two had a part"
    assert LabStudy.objects.get().comparison is not None


def claims() -> set[str]:
    """Return the processes that have, or had, the cells."""
    return set(LabCell.objects.values_list("claimed_by", flat=True))


def run_by_workers(path: Path) -> str:
    try:
        return lab("run", path, "--celery", "--wait", "250")
    finally:
        connection.close()


def test_without_a_worker_a_run_says_what_starts_one(
    study: Written, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(queue, "SILENCE", 0)
    with pytest.raises(CommandError, match="0 of 3 cells are done"):
        call_command("lab", "run", str(study(seeds=1)), "--celery", "--wait", "2")
    assert capsys.readouterr().err.count("start one with `manage.py lab work`") == 1
    redis.Redis.from_url(settings.REDIS_URL).flushdb()


def test_a_stopped_run_says_how_to_go_on(study: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "SILENCE", 0)
    with (
        interrupted("start one with `manage.py lab work`"),
        pytest.raises(CommandError, match=r"^Stopped: .* computes the rest\.$") as stopped,
    ):
        call_command("lab", "run", str(study(seeds=1)), "--celery")
    assert stopped.value.returncode == 130
    redis.Redis.from_url(settings.REDIS_URL).flushdb()


def test_a_worker_computes_one_cell_and_the_last_one_concludes(study: Written) -> None:
    with pytest.raises(CommandError, match="0 of 3 cells are done"):
        call_command("lab", "run", str(study(seeds=1)), "--celery", "--wait", "0")
    stored = find_study(named="crash")
    for count in (1, 2, 3, 3):
        assert LabStudy.objects.get().comparison is None or count == 3
        compute_cell(study_id=stored.pk)
        assert progress_of(stored).done == count
    assert LabStudy.objects.get().comparison is not None
    redis.Redis.from_url(settings.REDIS_URL).flushdb()
