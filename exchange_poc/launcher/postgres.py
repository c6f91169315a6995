"""The embedded PostgreSQL: creates its cluster, starts it and recognises a running one."""

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any, ClassVar, Final

import psycopg

from exchange_poc.launcher.errors import LauncherError
from exchange_poc.launcher.ports import LOOPBACK
from exchange_poc.launcher.processes import Steps, command_of, finish, spawn
from exchange_poc.launcher.server import SERVER_ENVIRONMENT, EmbeddedServer

ROLE: Final = "exchange"
DATABASE: Final = "exchange"
SETTINGS: Final = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",  # a socket's path may not exceed 107 bytes
    "max_connections": "200",
    "shared_buffers": "256MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}
NOT_DURABLE: Final = dict.fromkeys(("fsync", "synchronous_commit", "full_page_writes"), "off")
#: The processes of a test run let many clients race at the same time.
THROWAWAY: Final = NOT_DURABLE | {"max_connections": "1000"}


class Postgres(EmbeddedServer):
    """PostgreSQL with one role, ``exchange``, and the database of the same name."""

    name: ClassVar[str] = "postgres"
    variable: ClassVar[str] = "DATABASE_URL"
    # Fast shutdown, immediate shutdown, and what is left when neither helps.
    stop_steps: ClassVar[Steps] = (
        (signal.SIGINT, 20),
        (signal.SIGQUIT, 5),
        (signal.SIGKILL, 5),
    )

    @property
    def data(self) -> Path:
        return self.quarters.data

    @property
    def url(self) -> str:
        return f"postgresql://{ROLE}:{self.password}@{LOOPBACK}:{self.port}/{DATABASE}"

    def prepare(self) -> list[str]:
        programs = self.quarters.postgres_programs()
        if not self.data.exists():
            self._create_cluster(programs)
        self._check_version(programs)
        self._forget_stale_pid()
        settings = SETTINGS | (THROWAWAY if self.throwaway else {})
        return [
            str(programs / "postgres"),
            *("-D", str(self.data)),
            *("-p", str(self.port)),
            *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
        ]

    def recorded_pid(self) -> int | None:
        # After a kill, or a restart of the machine, the number may belong to another program.
        with contextlib.suppress(FileNotFoundError, ValueError):
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
            if str(self.data) in command_of(pid):
                return pid
        return None

    def accepts(self) -> bool:
        try:
            with self._connect() as connection:
                self._create_database(connection)
        except psycopg.OperationalError as error:
            if self.pid is not None and "password authentication failed" in str(error):
                raise LauncherError(
                    f"{self.data} refuses the password in {self.local.root}/postgres.password: "
                    "put the right one back, or delete the data with `make clean-data`."
                ) from error
            return False
        return True

    def delete_data(self) -> None:
        if self.data.exists():
            shutil.rmtree(self.data)
        self.quarters.remove_outside()
        super().delete_data()

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(
            host=LOOPBACK,
            hostaddr=LOOPBACK,
            port=self.port,
            user=ROLE,
            password=self.password,
            dbname="postgres",
            sslmode="disable",
            connect_timeout=2,
            autocommit=True,
        )

    def _create_database(self, connection: psycopg.Connection[Any]) -> None:
        query = "SELECT 1 FROM pg_database WHERE datname = %s"
        if connection.execute(query, [DATABASE]).fetchone() is None:
            connection.execute(f"CREATE DATABASE {DATABASE}")

    def _check_version(self, programs: Path) -> None:
        found = (self.data / "PG_VERSION").read_text().strip()
        printed = subprocess.run(  # noqa: S603
            [programs / "postgres", "--version"], capture_output=True, text=True, check=True
        ).stdout
        installed = printed.split()[-1].split(".")[0]
        if found != installed:
            raise LauncherError(
                f"{self.data} was written by PostgreSQL {found}; installed is {installed}. "
                "Keep the data: dump them with the old version's pg_dump and restore them. "
                "Give them up: `make clean-data`."
            )

    def _forget_stale_pid(self) -> None:
        # PostgreSQL itself would take a reused process id for a running server.
        if self.recorded_pid() is None:
            (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _create_cluster(self, programs: Path) -> None:
        """Run ``initdb`` in a draft directory, so that a cluster exists whole or not at all."""
        self.quarters.create_data_parent()
        draft = self.data.with_suffix(".new")
        password = self.data.with_suffix(".pwfile")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        try:
            password.touch(mode=0o600)
            password.write_text(self.password)
            if user := self.quarters.user:
                os.chown(draft, user.uid, user.gid)
                os.chown(password, user.uid, user.gid)
            self._run_initdb(programs / "initdb", draft, password)
        finally:
            password.unlink()
        draft.rename(self.data)

    def _run_initdb(self, program: Path, directory: Path, password: Path) -> None:
        command = [
            str(program),
            *("-D", str(directory), "-U", ROLE, "-E", "UTF8"),
            *("--locale-provider=builtin", "--locale=C", "--builtin-locale=C.UTF-8"),
            *("--auth=scram-sha-256", f"--pwfile={password}"),
            *(["--no-sync", "--set=scram_iterations=1"] if self.throwaway else []),
        ]
        with open(self.local.open_log("postgres.log"), "wb") as log:
            process = spawn(
                command,
                follow=signal.SIGTERM,
                user=self.quarters.user,
                environment=SERVER_ENVIRONMENT,
                stdout=log,
                stderr=log,
            )
        if finish(process, stop=self.stop_signals) != 0:
            raise LauncherError(f"initdb failed in {directory}:\n{self.local.tail('postgres.log')}")
