"""What the web server's processes load when it starts."""

from __future__ import annotations

import gc
import multiprocessing
import os
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import psutil  # type: ignore[import-untyped]

from exchange_poc.launcher.processes import follow_parent
from exchange_poc.web.gateway import Gateway

if TYPE_CHECKING:
    from market.kernel.api.requests import Handler


def prepare() -> Handler:
    """Load the application; no connection is opened, each process needs a pool of its own."""
    gc.disable()
    from exchange_poc.wsgi import application

    # isort: split
    # The first request would wait for the console, which knows models that the application loads.
    import exchange_poc.urls  # noqa: F401

    spare_the_collector()
    return application


def load() -> Gateway:
    """Return the door to the application, with a desk of the process's own."""
    application = begin()
    from django.conf import settings

    from trading.orders.desk import close_desk, open_desk

    open_desk()
    return Gateway(
        application,
        threads=settings.WEB_THREADS,
        longest_body=settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
        close=close_desk,
    )


def begin() -> Handler:
    """Return the application in a process that may be forked of one which has loaded it."""
    end_with_server()
    forget_the_dead()
    application = prepare()
    from kpi.requests.metrics import note_start

    note_start()
    return application


def end_with_server() -> None:
    """Let no process outlive the server that started it, not even one that is still loading."""
    # The handler inherited from the server would only take a note that nobody here reads.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    follow_parent(signal.SIGTERM)
    server = multiprocessing.parent_process()
    if server is not None and server.pid != os.getppid():
        raise SystemExit(1)


def forget_the_dead() -> None:
    """Drop the live gauges of processes that ended from the shared metrics directory."""
    directory = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if not directory:
        return
    from prometheus_client import multiprocess

    for file in Path(directory).glob("gauge_live*_*.db"):
        found = re.search(r"_(\d+)\.db$", file.name)
        if found and not psutil.pid_exists(int(found[1])):
            multiprocess.mark_process_dead(int(found[1]))  # type: ignore[no-untyped-call]


def spare_the_collector() -> None:
    """Spare the collector what the application is made of; it never becomes garbage."""
    gc.collect()
    gc.freeze()
    gc.enable()
