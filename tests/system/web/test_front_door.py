"""Nginx as compose runs it, before a real web server; skipped where there is no nginx."""

import http.client
import json
import os
import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.system.deployment.files import DOCKER, SERVICES
from tests.system.deployment.processes import free_port
from tests.system.web.client import Address, ask, opened, until_closed
from tests.system.web.conftest import Server, accepts, lasting_server
from tests.waiting import wait_for

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed"),
]

KEY = b'{"api_key": "guess"}'
FORM = ("POST /auth/token HTTP/1.1", "Content-Type: application/json")

Door = Callable[..., tuple[Address, Address]]


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    """Run nginx by compose's command: ``door(web, "plain")`` returns its ports 8080 and 8443."""
    running = []

    def start(web: Address, kind: str, tls_port: str = "8443") -> tuple[Address, Address]:
        plain, tls, up = (free_port() for _ in range(3))
        here = {
            "listen 8080": f"listen 127.0.0.1:{plain}",
            "listen 8443": f"listen 127.0.0.1:{tls}",
            "127.0.0.1:8081": f"127.0.0.1:{up}",
            "web:8000": f"{web[0]}:{web[1]}",
            "stream:8001": f"{web[0]}:{web[1]}",
            "/tmp/": f"{tmp_path}/",  # noqa: S108
            "_timeout 15s": "_timeout 2s",  # the tests wait for it
        }
        for name in ("nginx.conf", "exchange.conf", f"{kind}.conf"):
            text = (DOCKER / "nginx" / name).read_text()
            for container, machine in here.items():
                text = text.replace(container, machine)
            (tmp_path / name.replace(kind, "server")).write_text(text)
        certify(tmp_path / "tls")
        # As root, nginx would serve as a user who can't enter the test's directory.
        user = "user root; " if os.getuid() == 0 else ""
        _, _, script = SERVICES["nginx"]["command"]
        script = script.replace("${TLS_PORT:-8443}", tls_port).replace("$$", "$")
        script = script.replace("/tmp/", f"{tmp_path}/")  # noqa: S108
        script = script.replace("daemon off;", f"{user}daemon off;")

        def command(options: str) -> list[str]:
            return ["sh", "-c", script.replace("exec nginx", f"exec nginx {options}")]

        conf = f"-c {tmp_path}/nginx.conf"
        checked = subprocess.run(command(f"{conf} -t"), capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr
        assert "warn" not in checked.stderr.replace('"user" directive', "")
        running.append(subprocess.Popen(command(conf)))
        # It takes its ports one after another.
        for port in (plain, up, *([tls] if kind == "tls" else [])):
            wait_for(partial(accepts, ("127.0.0.1", port)), what="nginx")
        return ("127.0.0.1", plain), ("127.0.0.1", tls)

    yield start
    for process in running:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def lasting(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One web server for most tests here, which lets a client ask for three tokens in each."""
    limits = {"TOKEN_RATE_LIMIT": "3/h", "TRUSTED_PROXIES": "127.0.0.1"}
    yield from lasting_server(tmp_path_factory, **limits)


@pytest.fixture(scope="module")
def behind_tls(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One web server for the tests of a proxy that ends TLS before it."""
    yield from lasting_server(tmp_path_factory, DJANGO_HTTPS="1")


def certify(directory: Path) -> None:
    """Make a key and a certificate that it signs itself."""
    directory.mkdir()
    key, certificate = directory / "privkey.pem", directory / "fullchain.pem"
    request = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=here")
    command = ["openssl", *request, "-keyout", key, "-out", certificate]
    subprocess.run(command, capture_output=True, check=True)


def token_status(address: Address, forwarded: str, source: str) -> int:
    """Return the status of a token request that comes from ``source``."""
    connection = http.client.HTTPConnection(*address, timeout=60, source_address=(source, 0))
    headers = {"Content-Type": "application/json", "X-Forwarded-For": forwarded}
    connection.request("POST", "/auth/token", KEY, headers)
    try:
        return connection.getresponse().status
    finally:
        connection.close()


def test_half_a_request_never_reaches_the_web_server(lasting: Server, door: Door) -> None:
    _, web = lasting
    front, _ = door(web, "plain")
    head = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-"
    body = b"POST /auth/token HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 50\r\n\r\n{"
    halves = [opened(front, sent) for sent in (head, body) for _ in range(40)]
    assert ask(front, "GET /health HTTP/1.1").status == 200
    assert ask(web, "GET /health HTTP/1.1").status == 200
    for half in halves:
        answer = until_closed(half)
        assert answer == b"" or b" 408 " in answer


def test_requests_arrive_as_they_are_and_metrics_stay_inside(lasting: Server, door: Door) -> None:
    _, web = lasting
    front, _ = door(web, "plain")
    length = f"Content-Length: {len(KEY)}"
    refused = ask(front, *FORM, length, body=KEY)
    assert (refused.status, json.loads(refused.body)["code"]) == (401, "invalid_api_key")
    # Nginx knows the length of a chunked body once it is there.
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(KEY), KEY)
    assert ask(front, *FORM, "Transfer-Encoding: chunked", body=chunks).status == 401
    for address in (front, web):
        answer = ask(address, *FORM, "Content-Length: 1500000", body=b" " * 1_500_000)
        assert (answer.status, json.loads(answer.body)["code"]) == (413, "body_too_large")
    for path in ("/metrics", "//metrics", "/%6detrics", "/x/../metrics?a=1"):
        answer = ask(front, f"GET {path} HTTP/1.1")
        assert (answer.status, json.loads(answer.body)["code"]) == (404, "not_found"), path
    assert ask(web, "GET /metrics HTTP/1.1").status == 200


def test_each_client_has_a_limit_of_its_own_whatever_it_forges(lasting: Server, door: Door) -> None:
    _, web = lasting
    front, _ = door(web, "plain")
    statuses = [token_status(front, f"192.0.2.{n}, 127.0.0.1", "127.0.0.2") for n in range(4)]
    assert statuses == [401, 401, 401, 429]
    assert token_status(front, "127.0.0.2", "127.0.0.3") == 401


def test_it_speaks_tls_and_says_so(behind_tls: Server, door: Door) -> None:
    _, web = behind_tls
    front, secure = door(web, "tls")
    moved = ask(front, "GET /docs?a=1 HTTP/1.1")
    assert (moved.status, moved.headers["Location"]) == (308, "https://127.0.0.1:8443/docs?a=1")
    unverified = ssl.create_default_context()
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection(*secure, timeout=60, context=unverified)
    connection.request("GET", "/health", headers={"X-Forwarded-Proto": "http"})
    assert connection.getresponse().status == 200


@pytest.mark.parametrize(("port", "there"), [("443", ""), ("9443", ":9443")])
def test_it_sends_to_the_port_that_is_published(door: Door, port: str, there: str) -> None:
    front, _ = door(("127.0.0.1", free_port()), "tls", port)
    moved = ask(front, "GET /docs HTTP/1.1")
    assert (moved.status, moved.headers["Location"]) == (308, f"https://127.0.0.1{there}/docs")


def test_behind_another_proxy_all_came_by_tls(behind_tls: Server, door: Door) -> None:
    _, web = behind_tls
    front, _ = door(web, "behind")
    assert ask(front, "GET /health HTTP/1.1", "X-Forwarded-Proto: http").status == 200


def test_without_a_web_server_it_says_so(door: Door) -> None:
    front, _ = door(("127.0.0.1", free_port()), "plain")
    answer = ask(front, "GET /health HTTP/1.1")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
    assert json.loads(answer.body)["code"] == "web_unavailable"
