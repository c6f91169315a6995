"""Seeded agents that a replay waits for do the same again from the same start, times apart."""

import io
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests
from django.core.management import call_command
from django.db import connection

from exchange_poc.launcher.local_dir import PROJECT_ROOT
from kpi.experiments import services
from tests.system.deployment.processes import end_group, free_port, get
from tests.waiting import wait_for

STEPS = 12
TIERS = ("beginner", "intermediate", "advanced")
TIMES = {"created_at", "opened_at", "closed_at", "timestamp"}
Environment = dict[str, str]


@pytest.fixture
def environment(exchange: None, tmp_path: Path) -> Environment:
    at = connection.settings_dict
    login = f"{quote(at['USER'])}:{quote(at['PASSWORD'])}"
    (tmp_path / "metrics").mkdir()
    return os.environ | {
        "DATABASE_URL": f"postgresql://{login}@{at['HOST']}:{at['PORT']}/{quote(at['NAME'])}",
        "DJANGO_SETTINGS_MODULE": "exchange_poc.settings",
        "DJANGO_SECRET_KEY": "a key of the trial, known to its processes alone",
        "PRICE_SOURCES": "simulation",
        "API_RATE_LIMIT": "off",
        "TOKEN_RATE_LIMIT": "off",
        "PORT": str(free_port()),
        "WEB_WORKERS": "1",
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "metrics"),
    }


@pytest.fixture
def url(environment: Environment) -> Iterator[str]:
    """The address of a web server that runs throughout, while states are put in place below it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "exchange_poc.web"],
        cwd=PROJECT_ROOT,
        env=environment,
        start_new_session=True,
        text=True,
    )
    address = f"http://127.0.0.1:{environment['PORT']}"
    try:
        wait_for(lambda: get(f"{address}/health"), what="the server", seconds=60)
        yield address
    finally:
        end_group(process)


class Agent(threading.Thread):
    """Trades by its seed alone, when its turn has come: so many others are done with the step."""

    def __init__(self, url: str, key: str, turn: int) -> None:
        super().__init__(daemon=True)
        self.url, self.turn = url, turn
        self.random = random.Random(f"agent {key}")
        self.session = requests.Session()
        # Processes that lost their connections open others within seconds.
        token = wait_for(lambda: self.token(key), what="a token", seconds=60)
        self.session.headers["Authorization"] = f"Bearer {token}"
        self.done = 0
        self.failed = ""

    def token(self, key: str) -> str | None:
        answer = self.session.post(f"{self.url}/auth/token", json={"api_key": key}, timeout=60)
        return answer.json().get("access_token")

    def call(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.session.request(method, f"{self.url}{path}", json=body, timeout=60)
        assert answer.status_code in (200, 400), answer.text
        return answer.json()

    def run(self) -> None:
        try:
            last = -1
            for _ in range(STEPS + 1):
                last = self.await_turn(last)
                self.trade()
                self.call("POST", "/market/ready", {"step": last})
                self.done += 1
        except Exception as error:
            self.failed = repr(error)

    def await_turn(self, last: int) -> int:
        def step() -> int | None:
            roll = self.call("GET", "/market/ready")
            is_next = roll["step"] > last and roll["ready"] == self.turn
            return int(roll["step"]) if is_next else None

        return wait_for(step, what=f"turn {self.turn} after step {last}", seconds=120)

    def trade(self) -> None:
        price = float(self.call("GET", "/market/price/BTCUSDT")["price"])
        for _ in range(self.random.randint(0, 2)):
            order = {
                "symbol": "BTCUSDT",
                "side": self.random.choice(["buy", "buy", "sell"]),
                "size": f"{self.random.uniform(0.01, 0.3):.3f}",
            }
            if self.random.random() < 0.4:
                away = self.random.uniform(0.98, 1.02)
                order |= {"type": "limit", "price": f"{price * away:.2f}"}
            self.call("POST", "/orders", order)

    def outcome(self) -> dict[str, Any]:
        """Return what the agent's account has come to, without times."""
        lists = ("orders", "trades", "positions", "liquidations")
        found = {name: self.call("GET", f"/{name}?page_size=500")["results"] for name in lists}
        return {name: without_times(value) for name, value in found.items()} | {
            "account": without_times(self.call("GET", "/account/me"))
        }


def without_times(value: Any) -> Any:
    if isinstance(value, list):
        return [without_times(one) for one in value]
    if isinstance(value, dict):
        return {key: without_times(one) for key, one in value.items() if key not in TIMES}
    return value


def candles(file: Path) -> Path:
    """Write candles that rise, crash by a quarter and recover a little."""
    rows, price = ["open_time,open,high,low,close"], 65_000
    for minute in range(STEPS):
        price = price - 4_000 if 5 <= minute < 9 else price + 300
        rows.append(f"2026-01-01T00:{minute:02}:00Z,{price},{price},{price},{price}")
    file.write_text("\n".join(rows) + "\n")
    return file


def test_a_restored_experiment_driven_by_the_same_agents_ends_the_same(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "QUIET", services.QUIET * 0)
    call_command("experiment", "save", "begin", verbosity=0)
    file = candles(tmp_path / "btc.csv")
    outcomes = []
    for _ in range(2):
        agents = [Agent(url, f"{tier}-key", turn) for turn, tier in enumerate(TIERS)]
        for agent in agents:
            agent.start()
        replay(file, len(agents))
        for agent in agents:
            agent.join(60)
            assert (agent.failed, agent.done) == ("", STEPS + 1)
        outcomes.append([agent.outcome() for agent in agents])
        call_command("experiment", "restore", "begin", verbosity=0)
    assert outcomes[0] == outcomes[1]
    assert sum(len(one["trades"]) for one in outcomes[0]) > STEPS
    assert any(one["liquidations"] for one in outcomes[0])


def replay(file: Path, agents: int) -> None:
    told = io.StringIO()
    options = {"wait_for": agents, "patience": 60, "stdout": told}
    call_command("replay", f"BTCUSDT={file}", **options)
    assert f"Replayed {STEPS} steps" in told.getvalue()
