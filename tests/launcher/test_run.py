"""``launcher run`` brings the whole exchange up, keeps it up and takes it down."""

import http.client
import re
import signal
import socket
from pathlib import Path

import psutil

from exchange_poc.launcher.ports import pick
from exchange_poc.launcher.processes import wait_while
from tests.launcher.client import launch
from tests.launcher.conftest import running_in


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


def test_it_comes_up_recovers_and_leaves_nothing_behind(local_dir: Path) -> None:
    port = pick()
    process = launch(local_dir, "run", PORT=str(port), WEB_WORKERS="1")
    try:
        wait_while(lambda: health(port) != 200 and process.poll() is None, 60)
        assert health(port) == 200

        second = launch(local_dir, "run", PORT=str(pick()))
        assert f"process {process.pid} at http://127.0.0.1:{port}" in second.communicate()[0]
        assert second.returncode == 1

        postmaster = int((local_dir / "postgres" / "postmaster.pid").read_text().split()[0])
        [web] = [p for p in psutil.Process(process.pid).children() if "gunicorn" in p.cmdline()]
        web.kill()
        psutil.Process(postmaster).kill()
        psutil.wait_procs([web, psutil.Process(postmaster)], timeout=5)
        wait_while(lambda: health(port) != 200, 30)
        assert health(port) == 200
    finally:
        process.send_signal(signal.SIGTERM)
        output = process.communicate(timeout=60)[0]
    assert process.returncode == 0, output
    assert running_in(local_dir) == []
