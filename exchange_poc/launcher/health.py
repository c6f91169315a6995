"""Waits until the exchange that ``make run`` starts is there, asking its own ``GET /health``."""

import http.client
import json
import time
from collections.abc import Sequence
from typing import Final

from exchange_poc.launcher import ports
from exchange_poc.launcher.errors import LauncherError, PortTaken
from exchange_poc.launcher.service import Service
from exchange_poc.launcher.signals import StopSignals

START_PATIENCE: Final = 60.0  # seconds until the web server must answer GET /health
HEALTH_PATIENCE: Final = 15.0  # seconds until all parts must be there
START_FAILURES: Final = 3  # deaths of the web server before its first answer that end it all


def await_web(web: Service, *, port: int, stop: StopSignals) -> None:
    """Start the web server and return when ``GET /health`` answers; raise LauncherError if not.

    Another process may have taken the port meanwhile: what it answers counts for nothing.
    """
    deadline = time.monotonic() + START_PATIENCE
    while time.monotonic() < deadline and web.failures < START_FAILURES:
        web.watch()
        if web.listens(port):
            if answers(port):
                return
        elif web.failures and not ports.is_free(port):
            raise PortTaken(port)
        stop.pause(0.1)
    raise LauncherError("The web server does not answer GET /health; its messages stand above.")


def await_rest(services: Sequence[Service], *, port: int, stop: StopSignals) -> list[str]:
    """Start the rest and return what ``GET /health`` still misses when it says ok, or too late."""
    deadline = time.monotonic() + HEALTH_PATIENCE
    while True:
        for service in services:
            service.watch()
        lacking = missing(port)
        if not lacking or time.monotonic() > deadline:
            return lacking
        stop.pause(0.2)


def answers(port: int) -> bool:
    """Tell whether ``GET /health`` answers with anything but a server error."""
    return missing(port) not in (["web"], ["database"])


def missing(port: int) -> list[str]:
    """Return the parts that ``GET /health`` misses; ``web`` where it does not answer."""
    connection = http.client.HTTPConnection(ports.LOOPBACK, port, timeout=2)
    try:
        connection.request("GET", "/health")
        parts: dict[str, str] = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        return ["web"]
    finally:
        connection.close()
    status = parts.pop("status", "")
    return (
        [] if status == "ok" else [part for part, state in parts.items() if state == "unavailable"]
    )
