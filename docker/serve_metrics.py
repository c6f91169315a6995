"""Serves over HTTP the metrics of a container whose processes speak no HTTP: the Celery worker's.

It reads the directory PROMETHEUS_MULTIPROC_DIR and writes nothing there itself.
"""

import sys

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector


def main(bind: str) -> None:
    """Answer on ``bind``, written ``host:port``, until the container ends."""
    host, _, port = bind.rpartition(":")
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    _, thread = start_http_server(int(port), addr=host, registry=registry)
    thread.join()


if __name__ == "__main__":
    main(sys.argv[1])
