"""An exchange on several machines, as far as one can play them: metrics of their own each."""

import itertools
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from tests.system.deployment.processes import free_port
from tests.system.faults.stack import Stack, are_whole
from tests.system.scale.bouncer import PgBouncer
from tests.waiting import wait_for

CELERY = ("-m", "celery", "--quiet", "-A", "exchange_poc")


class Machine:
    """A part of the exchange with its metrics directory, from start() to kill() or stop()."""

    def __init__(self, stack: Stack, name: str, *command: str, **settings: str) -> None:
        self.stack, self.name, self.command, self.settings = stack, name, command, settings
        self.metrics = stack.root / f"metrics-{name}"
        self.metrics.mkdir()

    def start(self) -> None:
        """Start it, not for the first time perhaps: what it counted before stays counted."""
        log, settings = self.stack.root / f"{self.name}.log", dict(self.settings)
        settings["PROMETHEUS_MULTIPROC_DIR"] = str(self.metrics)
        self.process = self.stack.spawn(*self.command, log=log, **settings)

    def kill(self) -> None:
        """Let all its processes die at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    @property
    def is_up(self) -> bool:
        return self.process.poll() is None

    def has_port(self, port: int) -> bool:
        """Tell whether one of its processes has a connection from this local port."""
        main = psutil.Process(self.process.pid)
        connections = (p.net_connections("tcp") for p in (main, *main.children(recursive=True)))
        return any(found.laddr.port == port for each in connections for found in each)


class WebTier(Machine):
    """A web server with its processes."""

    def __init__(self, stack: Stack, name: str, **settings: str) -> None:
        port = str(free_port())
        super().__init__(stack, name, "-m", "exchange_poc.web", PORT=port, **settings)
        self.url = f"http://127.0.0.1:{port}"


class ScaledStack(Stack):
    """Two web tiers, two Celery nodes, a slow worker and beat on one PostgreSQL and one Valkey."""

    def __init__(self) -> None:
        super().__init__(
            DJANGO_SECRET_KEY=secrets.token_urlsafe(32),
            KPI_SNAPSHOT_INTERVAL_SECONDS="2",
        )
        self.bouncer = PgBouncer(self.postgres)
        self.tiers = [WebTier(self, f"web{n}") for n in (1, 2)]
        self.urls = [tier.url for tier in self.tiers]
        self.serving = self.urls
        self.environment["KPI_METRICS_URLS"] = ",".join(f"{url}/metrics" for url in self.urls)
        self.nodes = [self.celery(f"node{n}", "worker", "--concurrency", "2") for n in (1, 2)]
        schedule = str(self.root / "celerybeat-schedule")
        self.machines: list[Machine] = [
            *self.tiers,
            *self.nodes,
            self.celery("slow", "worker", "--queues", "slow", "--concurrency", "1"),
            Machine(self, "beat", *CELERY, "beat", "--schedule", schedule, "--pidfile", ""),
        ]

    def celery(self, name: str, *command: str) -> Machine:
        """Return a Celery worker, which names itself by its machine."""
        return Machine(
            self, name, *CELERY, *command, "--hostname", f"{name}@%h", "--without-mingle"
        )

    def start(self) -> None:
        servers = (self.postgres, self.valkey, self.bouncer)
        for server in servers:
            server.ensure()
        self.environment |= {"DATABASE_URL": self.bouncer.url, "REDIS_URL": self.valkey.url}
        self.run("manage.py", "migrate", "--verbosity", "0")
        self.run("manage.py", "seed_demo", "--if-empty")
        for machine in self.machines:
            machine.start()
        wait_for(self.is_whole, what=f"the exchange (see {self.root})", seconds=120)

    def stop(self) -> None:
        """Stop all that runs, the servers last, and delete its data."""
        for machine in reversed(self.machines):
            if hasattr(machine, "process"):
                machine.stop()
        for server in (self.bouncer, self.valkey, self.postgres):
            server.stop()
        shutil.rmtree(self.postgres.quarters.outside, ignore_errors=True)
        shutil.rmtree(self.root)

    def is_whole(self) -> bool:
        return all(machine.is_up for machine in self.machines) and are_whole(self.urls)

    def rotation(self) -> Iterator[str]:
        """Send requests to the tiers in turn, as a balancer does without looking at them."""
        for number in itertools.count():
            serving = self.serving
            yield serving[number % len(serving)]

    def bring_back(self, tier: WebTier) -> None:
        """Start a tier again; it serves when it is well, as a balancer does that asks /health."""
        self.serving = [url for url in self.urls if url != tier.url]
        tier.start()
        wait_for(lambda: are_whole([tier.url]), what="the tier's return", seconds=60)
        self.serving = self.urls

    @contextmanager
    def further(self, *tiers: WebTier) -> Iterator[list[str]]:
        """Run more web tiers, which no snapshot asks, for the block; yield their addresses."""
        try:
            for tier in tiers:
                tier.start()
            urls = [tier.url for tier in tiers]
            wait_for(lambda: are_whole(urls), what="further web tiers", seconds=90)
            yield urls
        finally:
            for tier in tiers:
                tier.stop()
