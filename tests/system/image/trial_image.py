"""The image, built and run: the exchange's containers come up, trade, report and stop.

``make image-trial``; it takes some minutes, and BUILD_OPTIONS="--build-arg BASE=…" names a base.
"""

import os
import platform
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import redis
import requests

from tests.system.deployment.files import ROOT, SERVICES, image_command, service_command
from tests.system.deployment.processes import end_group, free_port, get
from tests.system.image.container import Image, missing, opened, stop
from tests.waiting import wait_for

pytestmark = pytest.mark.skipif(bool(missing()), reason=f"no image can be tried: {missing()}")

DATABASE = "image_trial"
WEB, METRICS = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"

Container = Callable[..., subprocess.Popen[str]]


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    """The image of this checkout."""
    with opened() as image:
        yield image


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    """What Compose sets, with a database and a Redis database of the trial's own."""
    server = urlsplit(os.environ["DATABASE_URL"])
    broker = urlsplit(os.environ["REDIS_URL"])._replace(path="/8").geturl()
    with psycopg.connect(server.geturl(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {DATABASE}")
        yield {
            "HOSTNAME": platform.node(),
            "DATABASE_URL": server._replace(path=f"/{DATABASE}").geturl(),
            "REDIS_URL": broker,
            "DJANGO_SECRET_KEY": "of-the-trial-of-the-image-and-of-no-other-use",
            "DJANGO_ALLOWED_HOSTS": "127.0.0.1",
            "PRICE_SOURCES": "simulation",
            "TICK_INTERVAL_SECONDS": "0.5",
            "KPI_METRICS_URLS": f"http://{WEB}/metrics",
            "KPI_SNAPSHOT_INTERVAL_SECONDS": "1",
        }
        connection.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")
    redis.Redis.from_url(broker).flushdb()


@pytest.fixture
def container(image: Image, environment: dict[str, str], tmp_path: Path) -> Iterator[Container]:
    """Start a service of the compose file: ``container("worker", [...], METRICS_BIND=…)``."""
    started = []

    def start(name: str, command: Sequence[str], **more: str) -> subprocess.Popen[str]:
        process = image.start(command, environment | more, tmp_path / f"{name}.log")
        started.append(process)
        return process

    yield start
    for process in started:
        end_group(process)


def here(command: Sequence[str]) -> list[str]:
    """Return a container's command with the addresses of this machine."""
    places = {"0.0.0.0:8000": WEB, "127.0.0.1": WEB, "web": WEB}
    return [places.get(word, word) for word in command]


def scraped(address: str, name: str) -> float:
    """Return the sum of a metric's samples at a container's /metrics."""
    text = get(f"http://{address}/metrics") or ""
    return sum(map(float, re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE)))


def test_the_root_is_read_only_and_the_user_has_no_rights(
    image: Image, environment: dict[str, str], tmp_path: Path
) -> None:
    script = (
        "id -u; grep -E 'Cap(Eff|Bnd)|NoNewPrivs' /proc/self/status; touch /app/x /opt/x /var/x"
    )
    log = tmp_path / "log"
    printed = image.run(["sh", "-c", f"{script}; touch /tmp/x /run/metrics/x"], environment, log)
    values = printed.split()
    assert values[0] == image.config["User"].split(":")[0] == "10001"
    assert values[1:] == ["CapEff:", "0" * 16, "CapBnd:", "0" * 16, "NoNewPrivs:", "1"]
    assert log.read_text().count("Read-only file system") == 3


def test_its_containers_come_up_trade_report_and_stop(
    image: Image, container: Container, environment: dict[str, str], tmp_path: Path
) -> None:
    def runs(command: Sequence[str]) -> bool:
        process = image.start(command, environment, tmp_path / "checks.log")
        return process.wait(60) == 0

    image.run(service_command("migrate"), environment, tmp_path / "migrate.log")
    image.run(service_command("seed"), environment, tmp_path / "seed.log")
    web = container("web", here(image_command()))
    wait_for(lambda: runs(here(image.health_check)), what="the web container", seconds=120)

    worker = container("worker", service_command("worker"), METRICS_BIND=METRICS)
    slow = container("worker-slow", service_command("worker-slow"))
    beat = container("beat", service_command("beat"))
    [_, *check] = SERVICES["beat"]["healthcheck"]["test"]
    wait_for(lambda: runs(here(check)), what="a heartbeat", seconds=120)
    [_, ping] = SERVICES["worker"]["healthcheck"]["test"]
    assert runs(["sh", "-c", ping.replace("$$", "$")])

    assert first_order()["order"]["status"] == "FILLED"
    targets = {"web": WEB, "worker": METRICS}
    wait_for(lambda: scraped(targets["worker"], "market_steps_total"), what="a market step")
    sums = {
        name: {target: scraped(address, name) for target, address in targets.items()}
        for name in ("market_steps_total", "orders_total")
    }
    # Summed over the processes of a container, and each container counts its own alone.
    assert sums["orders_total"] == {"web": 1, "worker": 0}
    assert sums["market_steps_total"]["web"] == 0
    assert sums["market_steps_total"]["worker"] > 0

    stopped = [stop(process) for process in (beat, slow, worker, web)]
    assert stopped == [0, 0, 0, 0], (tmp_path / "worker.log").read_text()[-3000:]
    image.run(["python", "manage.py", "check_ledger"], environment, tmp_path / "ledger.log")


def first_order() -> dict[str, dict[str, str]]:
    """Place the README's first order and return its answer."""
    readme = (ROOT / "README.md").read_text()
    [body] = re.findall(r"/orders .*-d '(.*\"leverage\": 5.*)'", readme)
    token = requests.post(
        f"http://{WEB}/auth/token", json={"api_key": "beginner-key"}, timeout=30
    ).json()["access_token"]
    answer = requests.post(
        f"http://{WEB}/orders",
        data=body,
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        timeout=30,
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())
