"""Counters of different machines are told apart; none is compared with another's."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Barrier, Thread
from typing import Self

import pytest
import time_machine
from pytest_django import Settings

from accounts.models import User
from kpi.history.counters import READ, SINCE, counters_of, risen
from kpi.history.snapshots import take_snapshot
from kpi.history.sources import read_counters
from kpi.models import KpiReading
from kpi.requests.samples import read_samples
from tests.conftest import ClientOf
from tests.each import each

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SLOT = timedelta(seconds=15)


def counters(requests: float, *, since: float, read: float = 0) -> dict[str, float]:
    return {SINCE: since, READ: read, "requests": requests}


def test_each_source_rises_by_its_own() -> None:
    before = {
        "one:/run@10.0": counters(1_000, since=10, read=50),
        "two:/run@20.0": counters(7, since=20, read=60),
    }
    two = {"two:/run@20.0": counters(9, since=20)}
    assert risen(before, two, read_at=60)["requests"] == 2
    one = {"one:/run@10.0": counters(1_030, since=10)}
    assert risen(before, two | one, read_at=60)["requests"] == 32


@each(
    ("source", "since", "counted"),
    [
        ("one:/run@70.0", 70, 5),
        ("one:/run@55.0", 55, 5),
        ("one:/run@40.0", 40, 0),
        ("three:/run@65.0", 65, 5),
        ("three:/run@55.0", 55, 0),
    ],
)
def test_a_new_source_counts_what_began_after_the_last_look_at_its_place(
    source: str, since: float, counted: int
) -> None:
    before = {"one:/run@10.0": counters(1_000, since=10, read=50)}
    found = risen(before, {source: counters(5, since=since)}, read_at=60)
    assert found.get("requests", 0) == counted


class Server(HTTPServer):
    """A web server that has counted so many requests since some moment."""

    def __init__(self, since: float = 0, requests: float = 0) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.since, self.requests = since, requests
        self.url = f"http://127.0.0.1:{self.server_port}/metrics"

    def __enter__(self) -> Self:
        Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def counted(self) -> tuple[float, float]:
        return self.since, self.requests


class Balancer(Server):
    """Two web servers at one address, which answer in turn: 1,000 and 500 requests, then more."""

    answers = 0

    def counted(self) -> tuple[float, float]:
        turn, which = divmod(self.answers, 2)
        self.answers += 1
        since = (NOON - timedelta(hours=1 + which)).timestamp()
        return since, (1_000, 500)[which] + 3 * turn


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        since, requests = self.server.counted()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(
            f"counting_since_timestamp_seconds {since}\n"
            "# TYPE api_requests_total counter\n"
            f'api_requests_total{{method="GET",endpoint="/orders",status="200"}} {requests}\n'
            "".encode()
        )

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


@pytest.fixture
def balancer(settings: Settings) -> Iterator[None]:
    with Balancer() as server:
        settings.KPI_METRICS_URLS = [server.url]
        yield


def test_two_servers_behind_one_address_make_no_jump(db: None, balancer: None) -> None:
    found = []
    for slot in range(6):
        with time_machine.travel(NOON + slot * SLOT, tick=False):
            snapshot = take_snapshot()
            assert snapshot is not None
            found.append(snapshot.requests)
    assert found == [0, 0, 3, 3, 3, 3]


def test_web_servers_are_asked_at_once(
    db: None, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each answers when the other has been asked as well."""
    monkeypatch.setattr("kpi.history.sources.TIMEOUTS", (30, 60))
    both = Barrier(2, timeout=30)

    class Waiting(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            both.wait()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"counting_since_timestamp_seconds 1\n")

        def log_message(self, format: str, *args: object) -> None:
            """Stay silent."""

    with HTTPServer(("127.0.0.1", 0), Waiting) as one, HTTPServer(("127.0.0.1", 0), Waiting) as two:
        for server in (one, two):
            Thread(target=server.handle_request, daemon=True).start()
        urls = [f"http://127.0.0.1:{server.server_port}/metrics" for server in (one, two)]
        settings.KPI_METRICS_URLS = urls
        assert {source.split("@")[0] for source in read_counters()} == set(urls)


def test_a_source_that_went_is_forgotten(db: None, settings: Settings, balancer: None) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        take_snapshot()
        assert len(KpiReading.objects.get().counters) == 1
        settings.KPI_METRICS_URLS = []
        clock.shift(timedelta(hours=23))
        take_snapshot()
        assert len(KpiReading.objects.get().counters) == 2
        clock.shift(timedelta(hours=2))
        take_snapshot()
    assert len(KpiReading.objects.get().counters) == 1


def test_what_all_web_servers_counted_is_added_up(
    user: User, client_of: ClientOf, settings: Settings
) -> None:
    """Of the others as the last snapshot found them, of the one that answers as it stands."""
    with time_machine.travel(NOON, tick=False) as clock:
        client = client_of(user)
        assert client.get("/kpi/system").status_code == 200
        own = counters_of(read_samples())
        this, other, third = Server(own[SINCE], 9), Server(1_000, 30), Server(2_000, 400)
        settings.KPI_METRICS_URLS = [server.url for server in (this, other, third)]
        with this, other, third:
            take_snapshot()
            other.since, other.requests = 3_000, 7  # it was started anew
            clock.shift(SLOT)
            take_snapshot()
        for path, name in (("system", "requests"), ("security", "total_requests")):
            here = counters_of(read_samples())["requests"]
            assert client.get(f"/kpi/{path}").json()[name] == here + 7 + 400
