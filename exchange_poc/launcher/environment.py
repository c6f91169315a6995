"""Gives a bare ``python manage.py COMMAND`` the embedded servers that ``make run`` uses."""

import atexit
import os
import secrets
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING

from exchange_poc.launcher.errors import LauncherError, StopRequested
from exchange_poc.launcher.local_dir import LocalDir
from exchange_poc.launcher.signals import StopSignals
from exchange_poc.variables import text

if TYPE_CHECKING:
    from exchange_poc.launcher.servers import Servers


def ensure_servers() -> None:
    """Set DATABASE_URL and REDIS_URL where they are unset, starting embedded servers for them.

    The servers stay for as long as this process or any other uses them; the last to exit stops
    them. Raises SystemExit with a message when a server does not come up.
    """
    local = LocalDir.from_environment()
    os.environ["LOCAL_DIR"] = str(local.root)
    if text("DATABASE_URL") and text("REDIS_URL"):
        return
    from exchange_poc.launcher.servers import Servers  # database drivers: only when needed

    stop = StopSignals()
    try:
        with stop:
            servers = Servers(local, stop=stop)
            servers.acquire()
    except (LauncherError, OSError) as error:
        raise SystemExit(f"exchange-poc: {error}") from error
    except StopRequested:
        deliver(stop)
        raise SystemExit(128 + (stop.received or 0)) from None
    atexit.register(release_at_exit, servers, os.getpid())
    exit_on_signals()
    deliver(stop)


def go_without_servers() -> None:
    """Let a command run that needs none: nothing is started, and nothing is kept in LOCAL_DIR."""
    if not text("DJANGO_SECRET_KEY"):
        os.environ["DJANGO_SECRET_KEY"] = secrets.token_urlsafe(50)


def release_at_exit(servers: "Servers", owner: int) -> None:
    """Release the servers, but not from a fork that inherited this duty."""
    if os.getpid() == owner:
        with StopSignals():
            servers.release()


def deliver(stop: StopSignals) -> None:
    """Let a signal take effect that arrived while it was held back."""
    if stop.received is not None:
        signal.raise_signal(stop.received)


def exit_on_signals() -> None:
    """Have SIGTERM and SIGHUP end the process by way of its exit handlers, unless handled."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, leave)


def leave(number: int, frame: FrameType | None) -> None:
    """Exit with the status a shell gives to a process that a signal ended."""
    sys.exit(128 + number)
