"""Gunicorn's settings, for ``make run`` and for containers (which override ``bind``)."""

import gc
import os
from typing import Any

bind = f"127.0.0.1:{os.environ.get('PORT') or '8000'}"
workers = int(os.environ.get("WEB_WORKERS") or "2")
threads = int(os.environ.get("WEB_THREADS") or "4")
worker_class = "gthread"
# A connection pool must open after the fork, so each worker loads the application itself.
preload_app = False
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
graceful_timeout = 10
keepalive = 5
# The application logs each request itself.
accesslog = None
loglevel = "warning"
# No control socket: several instances would share its path.
control_socket_disable = True


def post_worker_init(worker: Any) -> None:
    """Spare the collector what the application is made of; it never becomes garbage."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def child_exit(server: Any, worker: Any) -> None:
    """Drop a dead worker's live gauges from the shared metrics directory."""
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
