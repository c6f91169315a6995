"""The exchange's web server whose processes load once a file is there: ``python -m …held``.

One that waits for it is as new as can be: it has not yet asked to end with its server.
"""

import os
from pathlib import Path

from exchange_poc.web import __main__, worker
from exchange_poc.web.gateway import Gateway
from tests.waiting import wait_for


def load() -> Gateway:
    """Load as the exchange's do, but not before."""
    wait_for(Path(os.environ["LOAD_ONCE_THERE"]).exists, what="leave to load", seconds=300)
    return worker.load()


__main__.load = load

if __name__ == "__main__":
    __main__.main()
