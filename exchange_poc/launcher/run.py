"""``make run``: servers, schema, demo data, web and stream server, worker, beat, in front."""

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from exchange_poc.launcher import ports
from exchange_poc.launcher.console import say
from exchange_poc.launcher.errors import LauncherError, PortTaken, StopRequested
from exchange_poc.launcher.health import await_rest, await_web
from exchange_poc.launcher.local_dir import PROJECT_ROOT, LocalDir
from exchange_poc.launcher.locks import FileLock
from exchange_poc.launcher.processes import finish, spawn
from exchange_poc.launcher.servers import Servers, leased
from exchange_poc.launcher.service import Service
from exchange_poc.launcher.signals import StopSignals
from exchange_poc.variables import text
from exchange_poc.version import VERSION

#: What ``demo`` seeds an empty exchange with.
DEMO_DIR: Final = PROJECT_ROOT / ".local" / "demo"
HISTORY: Final = ("--traders", "30", "--days", "7")


def run(*seed_options: str) -> int:
    """Run the exchange until SIGINT or SIGTERM and return 0; raise LauncherError on a failure.

    ``seed_options`` go to ``seed_demo``, which fills an empty database.
    """
    local = LocalDir.from_environment()
    port = configured_port()
    os.environ["STREAM_PORT"] = text("STREAM_PORT") or str(ports.next_free(port + 1))
    with StopSignals() as stop:
        try:
            with only_one(local, port=port), leased(local, stop=stop) as servers:
                run_exchange(servers, port=port, stop=stop, seed_options=seed_options)
        except StopRequested:
            say("stopped")
    return 0


def demo() -> int:
    """Run an exchange that has a history and goes on from its prices; as ``run`` otherwise."""
    os.environ["LOCAL_DIR"] = text("LOCAL_DIR", default=str(DEMO_DIR))
    os.environ["PRICE_SOURCES"] = text("PRICE_SOURCES", default="simulation")
    return run(*HISTORY)


def configured_port() -> int:
    """Return PORT, 8000 by default; raise LauncherError when it is no port number."""
    port = text("PORT", default="8000")
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise LauncherError(f"PORT must be a number from 1 to 65535, not {port!r}.")
    return int(port)


@contextmanager
def only_one(local: LocalDir, *, port: int) -> Iterator[None]:
    """Refuse to run twice on one LOCAL_DIR, or on a port that is taken."""
    local.create()
    lock = FileLock(local.root / "run.lock")
    try:
        if not lock.try_exclusive():
            holder = local.read("run.lock") or "another process"
            raise LauncherError(
                f"`make run` is up already on {local.root}: {holder}. "
                "Stop that one, or set LOCAL_DIR and PORT to run beside it."
            )
        if not ports.is_free(port):
            raise PortTaken(port)
        lock.write(f"process {os.getpid()} at http://{ports.LOOPBACK}:{port}")
        yield
    finally:
        lock.close()


def run_exchange(
    servers: Servers, *, port: int, stop: StopSignals, seed_options: Sequence[str] = ()
) -> None:
    """Prepare the database, keep all services up and stop them in reverse order at the end."""
    create_metrics_directory(servers.local)
    # One process for both, which checks the database alone: the other checks load the console, and
    # find only what is wrong with the code, as `make lint` does.
    seeded = manage(
        "seed_demo", "--migrate", "--if-empty", "--skip-checks", *seed_options, stop=stop
    )
    web, *_ = services = exchange_services(servers.local)
    try:
        await_web(web, port=port, stop=stop)
        lacking = await_rest(services, port=port, stop=stop)
        print(banner(lacking, port=port, local=servers.local, seeded=seeded), flush=True)
        if seed_options:
            print(tour(port=port), flush=True)
        while True:
            servers.revive()
            for service in services:
                service.watch()
            stop.pause(0.2)
    finally:
        say("stopping")
        for service in reversed(services):
            service.stop()


def create_metrics_directory(local: LocalDir) -> None:
    """Give all processes one empty directory for their Prometheus samples."""
    directory = local.root / "prometheus"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)


def manage(*arguments: str, stop: StopSignals) -> str:
    """Run a management command and return what it printed; raise LauncherError if it fails."""
    with tempfile.TemporaryFile() as output:
        process = spawn(
            [sys.executable, "manage.py", *arguments],
            follow=signal.SIGTERM,
            cwd=PROJECT_ROOT,
            environment=os.environ,
            stdout=output,
        )
        status = finish(process, stop=stop)
        output.seek(0)
        text = output.read().decode()
    if status != 0:
        raise LauncherError(f"manage.py {arguments[0]} ended with status {status}.\n{text}".strip())
    return text


def exchange_services(local: LocalDir) -> list[Service]:
    """Return the web and the stream server, the workers and beat, in the order of their start."""
    celery = (sys.executable, "-m", "celery", "--quiet", "-A", "exchange_poc")
    schedule = str(local.root / "celerybeat-schedule")
    return [
        Service("web", (sys.executable, "-m", "exchange_poc.web"), patience=15),
        Service("stream", (sys.executable, "-m", "exchange_poc.stream"), patience=10),
        # What may take minutes yields the processor to all else.
        Service(
            "slow worker",
            (
                *("nice", "-n", "10", *celery, "worker", "--queues", "slow", "--hostname"),
                *("slow@%h", "--pool", "prefork", "--concurrency", "1", "--without-mingle"),
            ),
            patience=5,
        ),
        Service(
            "worker",
            (*celery, "worker", "--pool", "prefork", "--concurrency", "2", "--without-mingle"),
            patience=10,
        ),
        Service("beat", (*celery, "beat", "--schedule", schedule, "--pidfile", ""), patience=5),
    ]


def banner(lacking: Sequence[str], *, port: int, local: LocalDir, seeded: str) -> str:
    """Return the lines that tell a newcomer where everything is, and what is not there yet."""
    address = f"http://{ports.LOOPBACK}:{port}"
    but = f" But GET /health still misses: {', '.join(lacking)}." if lacking else ""
    return "\n".join(
        (
            seeded.strip(),
            "",
            f"Exchange POC is up.{but}",
            f"  API docs   {address}/docs",
            f"  Admin      {address}/admin/",
            f"  Stream     {address}/stream  (leads to port {text('STREAM_PORT')})",
            f"  Metrics    {address}/metrics",
            f"  Files      {local.root}",
            f"  Commands   {bare_command(local)}",
            f"  Version    {VERSION}",
            "  Demo keys  printed above at the first start, and listed in the README",
            "  Stop       Ctrl-C",
            "",
        )
    )


def bare_command(local: LocalDir) -> str:
    """Return how a management command reaches the servers of a directory."""
    root, project = local.root, PROJECT_ROOT
    shown = root.relative_to(project) if root.is_relative_to(project) else root
    where = "" if shown == Path(".local") else f"LOCAL_DIR={shown} "
    return f"{where}.venv/bin/python manage.py …"


def tour(*, port: int) -> str:
    """Return what to look at in an exchange with a history."""
    admin = f"http://{ports.LOOPBACK}:{port}/admin"
    return "\n".join(
        (
            "Look at, as admin with the password admin:",
            f"  Charts         {admin}/  (24 hours and 7 days show the crash)",
            f"  Close-outs     {admin}/trading/liquidation/",
            f"  Refused        {admin}/trading/order/?status=REJECTED",
            f"  Resting        {admin}/trading/order/?status=NEW",
            f"  Money          {admin}/accounts/transfer/",
            "  API keys       beginner-key, intermediate-key, advanced-key",
            "",
        )
    )
