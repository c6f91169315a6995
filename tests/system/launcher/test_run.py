"""``launcher run`` brings the whole exchange up, keeps it up and takes it down."""

import http.client
import itertools
import json
import re
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from exchange_poc.launcher.errors import PortTaken
from exchange_poc.launcher.health import await_rest, await_web
from exchange_poc.launcher.local_dir import PROJECT_ROOT, LocalDir
from exchange_poc.launcher.processes import command_of
from exchange_poc.launcher.run import exchange_services
from exchange_poc.launcher.signals import StopSignals
from exchange_poc.version import VERSION
from tests.system.deployment.processes import free_port
from tests.system.launcher.client import Client, launch, query
from tests.system.launcher.conftest import running_in
from tests.system.upgrade.releases import DUMPS, statements
from tests.waiting import wait_for

#: The launcher's children, each with a part of its command line.
CHILDREN = {
    "postgres": "/postgres -D ",
    "valkey": "/valkey-server",
    "web": " exchange_poc.web",
    "stream": " exchange_poc.stream",
    "slow worker": " worker --queues slow ",
    "worker": " worker --pool ",
    "beat": " beat ",
}
TRADES = "SELECT count(*) FROM trading_trade"


def all_children_of(pid: int) -> dict[str, psutil.Process] | None:
    """Return the launcher's children by name once all of them live."""
    children = psutil.Process(pid).children()
    if len(children) < len(CHILDREN):
        return None
    commands = {child: command_of(child.pid) for child in children}
    found = {
        name: child
        for name, part in CHILDREN.items()
        for child, command in commands.items()
        if part in command
    }
    return found if found.keys() == CHILDREN.keys() else None


def health(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def test_a_taken_port_is_refused_before_anything_starts(local_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        process = launch(local_dir, "run", PORT=str(server.getsockname()[1]))
        output = process.communicate(timeout=30)[0]
    assert process.returncode == 1
    assert re.search(r"Port \d+ is taken. Set PORT", output)
    assert not (local_dir / "postgres").exists()


def test_data_from_before_are_refused_and_kept(local_dir: Path) -> None:
    tables = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    with Client(local_dir) as client:
        url = client.urls()["DATABASE_URL"]
        query(
            url,
            "DROP SCHEMA public CASCADE; CREATE SCHEMA public;"
            "CREATE TABLE django_migrations (id serial, app text, name text, applied timestamptz);"
            "INSERT INTO django_migrations (app, name) VALUES ('market', '0010_instrument_steps')",
        )
        process = launch(local_dir, "run", PORT=str(free_port()))
        output = process.communicate(timeout=120)[0]
        assert query(url, f"{tables} AND relkind = 'r'") == [("django_migrations",)]
        assert query(url, "SELECT name FROM django_migrations") == [("0010_instrument_steps",)]
        query(url, "DROP TABLE django_migrations")
    assert process.returncode == 1
    assert "from before this version" in output
    assert f"`LOCAL_DIR={local_dir} make clean-data`" in output
    assert "Traceback" not in output
    assert running_in(local_dir) == []


def ours() -> set[tuple[str, str]]:
    """Return the migrations of the exchange, as PostgreSQL would name them."""
    return {(one.parent.parent.name, one.stem) for one in PROJECT_ROOT.glob("*/migrations/0*.py")}


@pytest.fixture(scope="module")
def trades(local_dir: Path) -> int:
    """How many trades the data of the last release have, which are here to be migrated."""
    with Client(local_dir) as client:
        url = client.urls()["DATABASE_URL"]
        query(url, statements(DUMPS[-1]))
        [(count,)] = query(url, TRADES)
    return int(count)


def test_a_port_that_another_takes_meanwhile_is_refused(
    local_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its ``GET /health`` says ok, as that of another exchange would."""
    with StopSignals() as stop, healthy_stranger(free_port(), ok_after=0) as port:
        monkeypatch.setenv("PORT", str(port))
        web, *_ = exchange_services(LocalDir(local_dir))
        try:
            with pytest.raises(PortTaken, match=f"Port {port} is taken. Set PORT"):
                await_web(web, port=port, stop=stop)
        finally:
            web.stop()


def test_what_is_missing_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with StopSignals() as stop:
        with healthy_stranger(free_port(), ok_after=3) as port:
            assert await_rest([], port=port, stop=stop) == []
        monkeypatch.setattr("exchange_poc.launcher.health.HEALTH_PATIENCE", 0.1)
        with healthy_stranger(free_port(), ok_after=10**6) as port:
            assert await_rest([], port=port, stop=stop) == ["cache", "worker"]
        assert await_rest([], port=free_port(), stop=stop) == ["web"]


@contextmanager
def healthy_stranger(port: int, *, ok_after: int) -> Iterator[int]:
    """Serve a ``GET /health`` that says ok from some request on, and yield its port."""
    asked = itertools.count()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state = "ok" if next(asked) >= ok_after else "unavailable"
            parts = {"database": "ok", "cache": state, "worker": state, "version": "1"}
            status = "ok" if state == "ok" else "degraded"
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"status": status, **parts}).encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", port), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield port
        server.shutdown()
        thread.join()


def test_it_comes_up_recovers_and_leaves_nothing_behind(local_dir: Path, trades: int) -> None:
    """On the data of the last release."""
    port = free_port()
    process = launch(local_dir, "run", PORT=str(port), WEB_WORKERS="1")
    try:
        wait_for(
            lambda: health(port) == 200 or process.poll() is not None, what="health", seconds=120
        )
        assert health(port) == 200

        second = launch(local_dir, "run", PORT=str(free_port()))
        assert f"process {process.pid} at http://127.0.0.1:{port}" in second.communicate()[0]
        assert second.returncode == 1

        before = wait_for(lambda: all_children_of(process.pid), what="every process")
        for child in before.values():
            child.kill()
        psutil.wait_procs(list(before.values()), timeout=5)
        after = wait_for(lambda: all_children_of(process.pid), what="every process again")
        wait_for(lambda: health(port) == 200, what="health", seconds=90)
        assert not {p.pid for p in after.values()} & {p.pid for p in before.values()}
    finally:
        process.send_signal(signal.SIGTERM)
        output = process.communicate(timeout=60)[0]
    assert process.returncode == 0, output
    with Client(local_dir) as client:
        url = client.urls()["DATABASE_URL"]
        assert query(url, TRADES) >= [(trades,)] > [(0,)]
        assert ours() <= set(query(url, "SELECT app, name FROM django_migrations"))
    assert "Exchange POC is up." in output
    assert "Users exist: no demo data added." in output
    assert f"LOCAL_DIR={local_dir} .venv/bin/python manage.py" in output
    assert re.search(rf"^  Version +{re.escape(VERSION)}$", output, re.MULTILINE)
    for name in ("postgres", "valkey"):
        assert f"exchange-poc: {name} is down: starting it again" in output
    for name in ("web", "stream", "slow worker", "worker", "beat"):
        assert f"exchange-poc: {name} ended with status -9: next start in 0.5 s" in output
    assert running_in(local_dir) == []
