"""Requests reach the application whole and as they were sent, and its answers the client."""

import json
import signal
import threading
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

from tests.system.web.client import Address, ask, opened, until_closed
from tests.system.web.conftest import Start, lasting_programs, of_small

#: Answers the part of the environment that a client can influence, and the body.
ECHO = """
import json
def application(environ, start_response):
    body = environ["wsgi.input"].read()
    seen = {key: value for key, value in environ.items() if isinstance(value, str)}
    content = json.dumps(seen | {"body": body.decode("latin-1")}).encode()
    length = ("Content-Length", str(len(content)))
    start_response("200 OK", [("Content-Type", "application/json"), ("Set-Cookie", "a=1"), length])
    return [content]
"""
WAIT = """
import time
def application(environ, start_response):
    print("running", file=environ["wsgi.errors"], flush=True)
    time.sleep(1)
    start_response("200 OK", [])
    return [b"done"]
"""
#: Fails, by itself or with a header that cannot be sent, before an answer as long as is asked.
FAIL = """
HEADERS = {"euro": ("X-Price", "1 \u20ac"), "line": ("X-Line", "a\\r\\nb"), "name": ("X y", "z")}
def application(environ, start_response):
    _, size, kind = environ["PATH_INFO"].split("/")
    if kind == "broken":
        raise LookupError("on purpose")
    if kind == "late":
        raise TimeoutError("of the application")
    if kind == "empty":
        start_response("204 No Content", [])
        return []
    start_response("200 OK", [HEADERS[kind]])
    return [bytes(int(size))]
"""


def echo(address: Address, *lines: str, body: bytes = b"") -> dict[str, Any]:
    answer = ask(address, *lines, body=body)
    assert answer.status == 200, answer
    return dict(json.loads(answer.body))


@pytest.fixture(scope="module")
def echoing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    """A server that answers what it was asked."""
    with lasting_programs(tmp_path_factory) as run:
        yield of_small(run, tmp_path_factory.mktemp("echo"), ECHO)[1]


def test_a_request_is_described_as_wsgi_says(echoing: Address) -> None:
    seen = echo(echoing, "GET /caf%C3%A9/%2F?a=%41&b=%00 HTTP/1.1", "X-Twice: 1", "x-twice: 2")
    assert seen["REQUEST_METHOD"] == "GET"
    assert seen["PATH_INFO"].encode("latin-1").decode() == "/café//"
    assert seen["QUERY_STRING"] == "a=%41&b=%00"
    assert (seen["SERVER_NAME"], seen["SERVER_PORT"]) == (echoing[0], str(echoing[1]))
    assert (seen["REMOTE_ADDR"], seen["wsgi.url_scheme"]) == ("127.0.0.1", "http")
    assert seen["HTTP_X_TWICE"] == "1,2"
    assert seen["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert "CONTENT_LENGTH" not in seen
    assert (
        echo(echoing, "GET / HTTP/1.1", "Cookie: a=1", "Cookie: b=2")["HTTP_COOKIE"] == "a=1; b=2"
    )
    assert echo(echoing, "GET / HTTP/1.0")["SERVER_PROTOCOL"] == "HTTP/1.0"


def test_a_header_with_underscores_passes_for_no_other(echoing: Address) -> None:
    forged = (
        "X_Forwarded_For: 192.0.2.9",
        "X_Forwarded_Proto: https",
        "X-Forwarded_For: 192.0.2.8",
    )
    seen = echo(echoing, "GET / HTTP/1.1", *forged)
    assert not {key for key in seen if "FORWARDED" in key}
    seen = echo(echoing, "GET / HTTP/1.1", forged[0], "X-Forwarded-For: 192.0.2.1", *forged)
    assert seen["HTTP_X_FORWARDED_FOR"] == "192.0.2.1"


def test_bodies_of_all_lengths_arrive(echoing: Address) -> None:
    for body in (b"{}", b"\xff" * 65_536, b"x" * 65_537, b"y" * 200_000):
        length = f"Content-Length: {len(body)}"
        seen = echo(echoing, "POST / HTTP/1.1", length, "Content-Type: text/plain", body=body)
        assert seen["body"].encode("latin-1") == body
        assert (seen["CONTENT_LENGTH"], seen["CONTENT_TYPE"]) == (str(len(body)), "text/plain")


def test_of_a_body_beyond_the_longest_arrives_what_shows_that_it_is(echoing: Address) -> None:
    seen = echo(echoing, "POST / HTTP/1.1", "Content-Length: 400000", body=b"z" * 400_000)
    assert (seen["CONTENT_LENGTH"], len(seen["body"])) == ("400000", 200_001)


def test_a_chunked_body_has_no_length_and_says_so(echoing: Address) -> None:
    seen = echo(
        echoing, "POST / HTTP/1.1", "Transfer-Encoding: chunked", body=b"1\r\n{\r\n0\r\n\r\n"
    )
    assert (seen["HTTP_TRANSFER_ENCODING"], seen["body"]) == ("chunked", "")
    assert "CONTENT_LENGTH" not in seen


def test_a_server_of_ipv6_has_a_name_that_stands_in_an_address(serve: Start) -> None:
    _, address = serve(ECHO, host="::1")
    answer = until_closed(opened(address, b"GET / HTTP/1.0\r\n\r\n"))
    seen = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert (seen["SERVER_NAME"], seen["REMOTE_ADDR"]) == ("[::1]", "::1")
    assert "HTTP_HOST" not in seen


def test_a_failing_application_is_answered_and_logged(serve: Start) -> None:
    """Also where it ran into a time limit of its own, or has a header that cannot be sent."""
    process, address = serve(FAIL)
    for size, kind in product((2, 200_000), ("broken", "late", "euro", "line", "name")):
        answer = ask(address, f"GET /{size}/{kind} HTTP/1.1")
        assert answer.status == 500, (size, kind)
        assert json.loads(answer.body)["code"] == "internal_error"
    assert ask(address, "GET /0/empty HTTP/1.1").status == 204
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=60)
    assert "LookupError: on purpose" in log
    assert "TimeoutError: of the application" in log


def test_a_stop_waits_for_what_runs_and_who_leaves_in_a_body_is_not_heard(serve: Start) -> None:
    process, address = serve(WAIT)
    opened(address, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{").close()
    assert until_closed(opened(address, b"nonsense\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
    answers = []
    client = threading.Thread(target=lambda: answers.append(ask(address, "GET / HTTP/1.1")))
    client.start()
    assert process.stderr is not None
    assert process.stderr.readline() == "running\n"
    process.send_signal(signal.SIGTERM)
    client.join()
    assert [(answer.status, answer.body) for answer in answers] == [(200, b"done")]
    _, log = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "running" not in log  # of another request
    assert "unanswered" not in log
