"""Several processes count as one; without the database the exchange still says how it is."""

import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from exchange_poc.version import VERSION
from tests.kpi.test_collectors import parse

#: Two children and their parent ask; the parent reports. Nothing listens at the database's port.
SCRIPT = textwrap.dedent("""
    import json, os, time
    import django
    django.setup()
    import exchange_poc.urls
    from django.test import Client

    def ask():
        Client().get("/nowhere")
        Client().get("/kpi/security")

    children = []
    for _ in range(2):
        child = os.fork()
        if child == 0:
            ask()
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    ask()
    token = {"api_key": "beginner-key"}
    started = time.perf_counter()
    print(json.dumps({
        "metrics": Client().get("/metrics").content.decode(),
        "health": [(answer := Client().get("/health")).status_code, answer.json()],
        "token": [
            (answer := Client().post("/auth/token", token, "application/json")).status_code,
            answer.json()["code"],
            answer["Retry-After"],
        ],
        "seconds": time.perf_counter() - started,
    }))
""")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a few processes without a database had to say."""
    metrics_dir: Path = tmp_path_factory.mktemp("metrics")
    environment = os.environ | {
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
        "PROMETHEUS_MULTIPROC_DIR": str(metrics_dir),
        "DJANGO_SETTINGS_MODULE": "exchange_poc.settings",
    }
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True
    )
    return json.loads(run.stdout)


def test_counters_are_summed_over_processes(report: dict[str, Any]) -> None:
    metrics = parse(report["metrics"])
    unmatched = (("endpoint", "unmatched"), ("method", "GET"))
    assert metrics["api_requests_total", (*unmatched, ("status", "404"))] == 3
    assert metrics["api_request_latency_seconds_count", unmatched] == 3
    assert metrics["auth_failures_total", (("code", "not_authenticated"),)] == 3


def test_every_metric_is_there_before_its_first_event(report: dict[str, Any]) -> None:
    metrics = parse(report["metrics"])
    assert metrics["rate_limit_hits_total", (("scope", "api"),)] == 0
    assert metrics["auth_failures_total", (("code", "invalid_api_key"),)] == 0


def test_the_start_of_the_counting_survives_a_fork(report: dict[str, Any]) -> None:
    starts = [
        value
        for (name, _), value in parse(report["metrics"]).items()
        if name == "counting_since_timestamp_seconds"
    ]
    assert 0 < time.time() - min(start for start in starts if start) < 600


def test_without_the_database_the_process_metrics_go_out(report: dict[str, Any]) -> None:
    metrics = parse(report["metrics"])
    assert metrics["database_up", ()] == 0
    assert ("liquidation_events_total", ()) not in metrics


def test_without_the_database_health_is_unavailable(report: dict[str, Any]) -> None:
    status, body = report["health"]
    assert status == 503
    assert body == {
        "status": "unavailable",
        "database": "unavailable",
        "cache": "ok",
        "worker": "unavailable",
        "version": VERSION,
    }


def test_without_the_database_the_api_says_so(report: dict[str, Any]) -> None:
    assert report["token"] == [503, "database_unavailable", "2"]


def test_without_the_database_no_answer_hangs(report: dict[str, Any]) -> None:
    assert report["seconds"] < 15
