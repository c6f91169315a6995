"""The exchange's web server: half a request keeps no thread, a dead process is replaced."""

import select
import signal
from multiprocessing import get_start_method
from pathlib import Path

import psutil
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from exchange_poc.web import gateway, long_answer, server
from tests.system.deployment.processes import free_port
from tests.system.web.client import Address, ask, opened, until_closed
from tests.system.web.conftest import Run, Server, Start
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

HEAD = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-"
BODY = b"POST /auth/token HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n{"
#: A file that fits into no socket's buffer, asked for by a client that does not read it.
BUNDLE = b"/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"
UNREAD = b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % BUNDLE


def health(address: Address) -> int:
    return ask(address, "GET /health HTTP/1.1").status


def both_ready(master: psutil.Process) -> list[psutil.Process] | None:
    """Return the server's two processes once both have loaded and listen."""
    ready = [one for one in master.children() if connections_of(one, psutil.CONN_LISTEN)]
    return ready if len(ready) == 2 else None


def test_a_killed_process_is_replaced_and_none_outlives_the_server(
    exchange: Start, metrics: Path, tmp_path: Path
) -> None:
    """The live gauges of a dead one are forgotten, and one that still loads ends, too."""
    leave = tmp_path / "leave to load"
    leave.touch()
    process, address = exchange("tests.system.web.held", LOAD_ONCE_THERE=str(leave))
    master = psutil.Process(process.pid)
    dead, other = wait_for(lambda: both_ready(master), what="two processes", seconds=60)
    gauges = {pid: metrics / f"gauge_livesum_{pid}.db" for pid in (dead.pid, other.pid)}
    for file in gauges.values():
        file.touch()
    dead.kill()
    wait_for(lambda: not gauges[dead.pid].exists(), what="the new process", seconds=60)
    assert gauges[other.pid].exists()
    ready = wait_for(lambda: both_ready(master), what="both processes", seconds=60)
    assert other in ready
    assert health(address) == 200
    began = starts_of(metrics)
    [new] = [one for one in ready if one != other]
    assert 0 < began[dead.pid] < began[new.pid]
    assert 0 < began[other.pid] < began[new.pid]

    leave.unlink()
    other.kill()  # the server gives a process up that dies as soon as it is there
    [loading] = wait_for(
        lambda: [one for one in master.children() if one not in (new, other)],
        what="another new process",
        seconds=60,
    )
    process.kill()
    process.wait()
    assert loading.is_running()
    leave.touch()
    _, alive = psutil.wait_procs([loading, new], timeout=60)
    assert alive == []


def starts_of(metrics: Path) -> dict[int, float]:
    """Return when each process began to count, by its number."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(metrics))  # type: ignore[no-untyped-call]
    return {
        int(sample.labels["pid"]): sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == "counting_since_timestamp_seconds"
    }


def test_connections_that_arrive_together_are_spread_over_its_processes(lasting: Server) -> None:
    process, address = lasting
    master = psutil.Process(process.pid)
    both = wait_for(lambda: both_ready(master), what="two processes", seconds=60)
    arrived = [opened(address, HEAD) for _ in range(60)]
    assert health(address) == 200
    wait_for(
        lambda: sum(connections_of(one, psutil.CONN_ESTABLISHED) for one in both) >= len(arrived),
        what="all connections",
    )
    assert min(connections_of(one, psutil.CONN_ESTABLISHED) for one in both) > 5
    for connection in arrived:
        connection.close()


def connections_of(process: psutil.Process, status: str) -> int:
    """Return how many connections of a state a process has at the port it serves."""
    found = process.net_connections("tcp")
    ports = {one.laddr.port for one in found if one.status == psutil.CONN_LISTEN}
    return sum(one.status == status and one.laddr.port in ports for one in found)


def test_half_a_request_keeps_no_thread_is_closed_in_time_and_no_stop_waits_for_it(
    exchange: Start,
) -> None:
    process, address = exchange("tests.system.web.hasty")
    heads = [opened(address, HEAD) for _ in range(40)]
    assert health(address) == 200
    bodies = [opened(address, BODY % length) for length in (50, 500_000) for _ in range(20)]
    assert health(address) == 200
    readers = [opened(address, UNREAD * 3) for _ in range(20)]
    assert health(address) == 200
    ended, _, _ = select.select([*heads, *bodies], [], [], 0)
    assert ended == []  # one that is closed keeps no thread anyway

    assert {until_closed(head) for head in heads} == {b""}
    answers = [until_closed(body) for body in bodies]
    assert all(b" 408 " in answer and b"request_timeout" in answer for answer in answers)

    idle = [opened(address, sent) for sent in (HEAD, BODY % 9, b"", UNREAD)]
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    for connection in (*readers, *idle):
        connection.close()


def test_how_patient_it_is() -> None:
    """In seconds: with who sends half a request, with what runs when it stops, with who reads."""
    assert server.REQUEST_SECONDS == gateway.REQUEST_SECONDS == 20
    assert server.STOP_SECONDS == 10
    assert server.UNTAKEN_SECONDS == long_answer.PIECE_SECONDS == 20


def test_a_second_server_on_its_port_is_refused(
    lasting: Server, environment: dict[str, str], run: Run
) -> None:
    _, (_, port) = lasting
    second = run("-m", "exchange_poc.web", **environment | {"PORT": str(port)})
    _, log = second.communicate(timeout=60)
    assert second.returncode == 1
    assert f"exchange-poc: cannot listen on 127.0.0.1:{port}: " in log


#: A server that is asked to stop while it loads what its processes share.
ASKED_EARLY = """
import signal
from pathlib import Path
from exchange_poc.web.server import serve
def prepare():
    signal.raise_signal(signal.SIGTERM)
def load():
    Path(__file__).with_name("forked").touch()
    raise SystemExit(1)
if __name__ == "__main__":
    serve(load, prepare=prepare, host="127.0.0.1", port={port}, processes=2)
"""


@pytest.mark.skipif(get_start_method() != "fork", reason="Each process loads for itself.")
def test_a_stop_while_it_loads_waits_for_no_process(run: Run, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(ASKED_EARLY.format(port=free_port()))
    assert run(program).wait(timeout=60) == 0
    assert not (tmp_path / "forked").exists()
