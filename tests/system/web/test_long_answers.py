"""Long answers go at the client's pace, and keep neither threads nor memory for it."""

import json
import signal
import socket
import time

import psutil

from tests.system.web.client import Address, ask, opened, until_closed
from tests.system.web.conftest import Start
from tests.waiting import wait_for

#: Counts the long answers that were begun and closed.
LONG = """
import sys
class Parts:
    closed, parts = 0, 100
    def __iter__(self):
        print("begun\\n", end="", file=sys.stderr, flush=True)
        for number in range(self.parts):
            yield bytes([number]) * 100_000
    def close(self):
        Parts.closed += 1
def application(environ, start_response):
    start_response("200 OK", [("X-Closed", str(Parts.closed))])
    answer = Parts()
    if environ["PATH_INFO"] == "/longer":
        answer.parts = 160
    return [] if environ["PATH_INFO"] == "/short" else answer
"""
#: In one part, too long for the buffers of a connection.
LUMP = """
import sys
def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "5000000")])
    yield bytes(5_000_000)
    print("made\\n", end="", file=sys.stderr, flush=True)
"""
#: Fails in the midst of a long answer: by itself, or since no more of it can be kept on disk.
BREAKS = """
import resource
def application(environ, start_response):
    start_response("200 OK", [])
    if environ["PATH_INFO"] == "/full":
        most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, most))
    for _ in range(20):
        yield bytes(100_000)
    if environ["PATH_INFO"] == "/fails":
        raise LookupError("on purpose")
"""
#: Ends only when nobody takes it.
ENDLESS = """
import sys, time
def application(environ, start_response):
    start_response("200 OK", [])
    try:
        while True:
            time.sleep(0.001)
            yield bytes(10_000)
    finally:
        print("ended\\n", end="", file=sys.stderr, flush=True)
"""


def test_long_answers_arrive_whole_whoever_leaves_one_and_a_stop_waits_for_them(
    serve: Start,
) -> None:
    """Each is closed once it is made; a client that leaves is no fault."""
    process, address = serve(LONG)
    answer = ask(address, "GET / HTTP/1.0")
    assert answer.body == b"".join(bytes([number]) * 100_000 for number in range(100))
    assert ask(address, "GET / HTTP/1.0").headers["x-closed"] == "1"
    assert ask(address, "GET / HTTP/1.1").body.endswith(b"\r\n0\r\n\r\n")

    client = opened(address, b"GET / HTTP/1.0\r\n\r\n")
    wait_for(lambda: closed(address) == 4, what="the end of its making")
    for _ in range(4):
        opened(address, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").close()
    assert len(ask(address, "GET / HTTP/1.0").body) == 10_000_000
    process.send_signal(signal.SIGTERM)
    assert len(until_closed(client).partition(b"\r\n\r\n")[2]) == 10_000_000
    _, log = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "unanswered" not in log


def closed(address: Address) -> int:
    """Return how many long answers were closed."""
    return int(ask(address, "GET /short HTTP/1.1").headers["x-closed"])


def test_an_answer_that_fails_in_its_midst_has_no_end(serve: Start) -> None:
    """So that its client does not take for the whole what is a part of it.

    How much of it arrives is not said: what the server's library still holds is lost.
    """
    process, address = serve(BREAKS)
    assert ask(address, "GET /whole HTTP/1.1").body.endswith(b"\r\n0\r\n\r\n")
    for path in ("/fails", "/full"):
        answer = ask(address, f"GET {path} HTTP/1.1")
        assert answer.status == 200, path
        assert b"\0" in answer.body, path
        assert not answer.body.endswith(b"\r\n0\r\n\r\n"), path
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=60)
    assert "LookupError: on purpose" in log
    assert "OSError: [Errno 27]" in log


def held_by(process: psutil.Process, ports: set[int]) -> set[int]:
    """Return to which of some clients' ports a process has connections."""
    return ports & {one.raddr.port for one in process.net_connections("tcp4") if one.raddr}


def test_a_client_that_reads_nothing_is_left(serve: Start) -> None:
    process, address = serve(LUMP, untaken=3)
    # The socket is there before the process that serves it.
    [worker] = wait_for(psutil.Process(process.pid).children, what="the serving process")
    clients = [opened(address, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 8) for _ in range(20)]
    ports = {client.getsockname()[1] for client in clients}

    wait_for(lambda: held_by(worker, ports) == ports, what="the requests")
    assert len(ask(address, "GET / HTTP/1.1").body) == 5_000_000
    wait_for(lambda: not held_by(worker, ports), what="their connections' end", seconds=120)
    for client in clients:
        client.close()


def test_nothing_more_is_made_for_a_client_that_was_cut_off_and_the_log_tells(
    serve: Start,
) -> None:
    process, address = serve(ENDLESS, untaken=3)
    [server] = wait_for(psutil.Process(process.pid).children, what="the serving process")
    deaf = opened(address, b"GET /all HTTP/1.1\r\nHost: x\r\n\r\n")
    port = {deaf.getsockname()[1]}
    wait_for(lambda: held_by(server, port), what="the request")
    wait_for(lambda: not held_by(server, port), what="the connection's end", seconds=120)
    deaf.close()
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=60)
    assert "ended\n" in log
    [told] = [json.loads(line) for line in log.splitlines() if "answer_broken_off" in line]
    assert (told["level"], told["path"]) == ("warning", "/all")
    assert told["bytes_sent"] > 0
    assert "unanswered" not in log


def test_a_client_that_reads_slowly_gets_all_of_a_long_answer(serve: Start) -> None:
    """At some 500 kB a second 2 MB take longer than a client may take nothing."""
    _, address = serve(LONG, untaken=3)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        client.settimeout(60)
        client.connect(address)
        client.sendall(b"GET /longer HTTP/1.0\r\n\r\n")
        taken = 0
        while part := client.recv(50_000):
            taken += len(part)
            if taken < 3_500_000:  # by then, whoever is to be cut off has been
                time.sleep(0.1)
    assert taken > 16_000_000


def test_long_answers_that_are_read_slowly_keep_no_thread(serve: Start) -> None:
    process, address = serve(LONG)
    [server] = wait_for(psutil.Process(process.pid).children, what="the serving process")
    clients = [opened(address, b"GET / HTTP/1.0\r\n\r\n") for _ in range(4)]
    ports = {client.getsockname()[1] for client in clients}
    assert process.stderr is not None
    assert [process.stderr.readline() for _ in range(2)] == ["begun\n"] * 2
    wait_for(lambda: closed(address) == 4, what="the end of their making")
    assert held_by(server, ports) == ports
    for client in clients:
        assert len(until_closed(client).partition(b"\r\n\r\n")[2]) == 10_000_000


def test_clients_that_read_nothing_cost_no_memory_by_the_length_of_their_answers(
    serve: Start,
) -> None:
    process, address = serve(LUMP)
    [server] = wait_for(psutil.Process(process.pid).children, what="the serving process")
    assert len(ask(address, "GET / HTTP/1.1").body) == 5_000_000
    before = server.memory_info().rss
    clients = [opened(address, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") for _ in range(60)]
    assert process.stderr is not None
    assert [process.stderr.readline() for _ in range(61)] == ["made\n"] * 61
    assert server.memory_info().rss - before < 120_000_000
    for client in clients:
        client.close()
