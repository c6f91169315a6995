"""The containers' own commands, run here without containers: they start, work, report and stop."""

import json
import os
import platform
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from django.db import connection

from tests.system.deployment.files import DOCKER, ROOT, SERVICES, image_command, service_command
from tests.system.deployment.processes import end_group, free_port, get
from tests.waiting import wait_for
from trading.demo.data import seed_demo

pytestmark = pytest.mark.django_db(transaction=True)

Container = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def environment(transactional_db: None) -> Iterator[dict[str, str]]:
    """The environment of a container: the test's database and its Redis database, emptied."""
    broker = os.environ["REDIS_URL"]
    redis.Redis.from_url(broker).flushdb()
    database = urlsplit(os.environ["DATABASE_URL"])
    yield {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOSTNAME": platform.node(),
        "DJANGO_SETTINGS_MODULE": "exchange_poc.settings",
        "DJANGO_SECRET_KEY": "of-the-deployment-test-and-of-no-other-use",
        "DJANGO_HTTPS": "1",
        "DATABASE_URL": database._replace(path=f"/{connection.settings_dict['NAME']}").geturl(),
        "REDIS_URL": broker,
        "PRICE_SOURCES": "simulation",
        "TICK_INTERVAL_SECONDS": "0.5",
        "LEDGER_CHECK_INTERVAL_SECONDS": "1",
    }
    redis.Redis.from_url(broker).flushdb()


@pytest.fixture
def container(environment: dict[str, str], tmp_path: Path) -> Iterator[Container]:
    """Run a command by the entry point with metrics of its own: ``container("web", [...])``."""
    started = []

    def run(name: str, command: Sequence[str], **more: str) -> subprocess.Popen[str]:
        own = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path / name)}
        process = subprocess.Popen(
            [DOCKER / "entrypoint.sh", *command],
            env=environment | own | more,
            cwd=ROOT,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        end_group(process)


def passes(environment: dict[str, str], *command: str) -> bool:
    """Tell whether a health check passes."""
    return subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode == 0


def state_of(part: str, address: str) -> str:
    """Return what ``GET /health`` says of a part; nothing before it answers."""
    return str(json.loads(get(f"http://{address}/health") or "{}").get(part, ""))


def sample(text: str, name: str) -> float:
    """Return the sum of a metric's samples in Prometheus' text."""
    values = re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE)
    return sum(map(float, values))


def test_the_stack_starts_works_reports_and_stops(
    environment: dict[str, str], container: Container, tmp_path: Path
) -> None:
    seed_demo()
    web_address, worker_metrics = (f"127.0.0.1:{free_port()}" for _ in range(2))
    check = ("python", "docker/check_health.py", web_address)

    bound = [word.replace("0.0.0.0:8000", web_address) for word in image_command()]
    web = container("web", bound)
    # To ask costs a hundredth of a check.
    wait_for(lambda: state_of("database", web_address) == "ok", what="the web server")
    assert passes(environment, *check, "database")
    assert not passes(environment, *check, "worker")

    schedule = ("/tmp/celerybeat-schedule", str(tmp_path / "schedule"))  # noqa: S108
    beat = container("beat", [word.replace(*schedule) for word in service_command("beat")])
    worker = container("worker", service_command("worker"), METRICS_BIND=worker_metrics)
    slow_worker = container("worker-slow", service_command("worker-slow"))
    wait_for(lambda: state_of("worker", web_address) == "ok", what="a heartbeat", seconds=60)
    assert passes(environment, *check, "worker")

    wait_for(
        lambda: sample(get(f"http://{worker_metrics}/metrics") or "", "market_steps_total"),
        what="a market step in the worker's metrics",
    )
    scraped = get(f"http://{web_address}/metrics") or ""
    assert sample(scraped, "api_requests_total") >= 2
    assert sample(scraped, "market_steps_total") == 0, "the worker's metrics are its own"
    wait_for(
        lambda: "\nledger_differences 0.0\n" in (get(f"http://{web_address}/metrics") or ""),
        what="a ledger check of the slow worker",
    )
    # By now both workers answer: to ask one again would cost another start of Celery.
    for service in ("worker", "worker-slow"):
        [_, ping] = SERVICES[service]["healthcheck"]["test"]
        wait_for(
            lambda: passes(environment, "sh", "-c", ping.replace("$$", "$")),  # noqa: B023
            what=f"an answer of {service}",
        )

    for process in (beat, slow_worker, worker, web):
        process.send_signal(signal.SIGTERM)
    assert [process.wait(20) for process in (beat, slow_worker, worker, web)] == [0] * 4
