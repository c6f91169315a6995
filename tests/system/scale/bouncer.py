"""PgBouncer in transaction mode before the embedded PostgreSQL."""

import os
import shutil
import signal
from typing import Any, ClassVar, Final

import psycopg
from psycopg.rows import dict_row

from exchange_poc.launcher.ports import LOOPBACK
from exchange_poc.launcher.postgres import DATABASE, ROLE, Postgres
from exchange_poc.launcher.processes import Steps
from exchange_poc.launcher.server import EmbeddedServer

#: Debian keeps it where only root looks for programs.
PROGRAM: Final = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
#: What docs/scaling.md recommends. In turns, every transaction of a client has another server
#: process than the one before, so that what a session leaves behind is missed at once.
SETTINGS: Final = {
    "listen_addr": LOOPBACK,
    "unix_socket_dir": "",
    "auth_type": "scram-sha-256",
    "admin_users": ROLE,
    "pool_mode": "transaction",
    "default_pool_size": "12",
    "max_client_conn": "500",
    "query_wait_timeout": "5",
    "server_login_retry": "1",
    "server_round_robin": "1",
}


class PgBouncer(EmbeddedServer):
    """One pool of connections for the role ``exchange``; clients use PostgreSQL's password."""

    name: ClassVar[str] = "pgbouncer"
    variable: ClassVar[str] = "DATABASE_URL"
    stop_steps: ClassVar[Steps] = ((signal.SIGTERM, 5), (signal.SIGKILL, 5))

    def __init__(self, server: Postgres) -> None:
        super().__init__(server.local, stop=server.stop_signals)
        self.server = server

    @property
    def url(self) -> str:
        """The address for the exchange: 1.18 knows no prepared statements in transaction mode."""
        return f"{self.address(DATABASE)}?prepare_threshold=none"

    def address(self, database: str) -> str:
        return f"postgresql://{ROLE}:{self.server.password}@{LOOPBACK}:{self.port}/{database}"

    def prepare(self) -> list[str]:
        assert PROGRAM is not None
        directory = self.local.root / self.name
        directory.mkdir(mode=0o700, exist_ok=True)
        users, configuration = directory / "users.txt", directory / "pgbouncer.ini"
        own = {"listen_port": self.port, "auth_file": users, "logfile": directory / "log"}
        lines = (f"{name} = {value}\n" for name, value in (SETTINGS | own).items())
        server = f"{DATABASE} = host={LOOPBACK} port={self.server.port}\n"
        configuration.write_text(f"[databases]\n{server}[pgbouncer]\n{''.join(lines)}")
        users.write_text(f'"{ROLE}" "{self.server.password}"\n')
        if user := self.quarters.user:
            for path in (directory, users, configuration):
                os.chown(path, user.uid, user.gid)
        return [PROGRAM, "--quiet", str(configuration)]

    def recorded_pid(self) -> int | None:
        return None

    def accepts(self) -> bool:
        try:
            with psycopg.connect(self.address(DATABASE), connect_timeout=2) as connection:
                connection.execute("SELECT")
        except psycopg.OperationalError:
            return False
        return True

    def client_ports(self) -> dict[int, int]:
        """Return, by its port at PostgreSQL, the port of the client that a connection serves."""
        with psycopg.connect(self.address(self.name), autocommit=True) as console:
            clients = {row["ptr"]: row["port"] for row in rows(console, "SHOW CLIENTS")}
            servers = rows(console, "SHOW SERVERS")
        return {s["local_port"]: clients[s["link"]] for s in servers if s["link"] in clients}


def rows(console: psycopg.Connection[Any], command: str) -> list[dict[str, Any]]:
    """Return what the console of PgBouncer answers."""
    return console.cursor(row_factory=dict_row).execute(command).fetchall()
