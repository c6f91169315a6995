"""``python -m exchange_poc.stream [--bind HOST:PORT]``."""

import argparse
import os

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from exchange_poc.stream.worker import load
from exchange_poc.web.__main__ import address
from exchange_poc.web.server import serve
from exchange_poc.web.worker import prepare


def main() -> None:
    """Serve until a signal ends it; exit with the reason when it cannot begin."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "exchange_poc.settings")
    parser = argparse.ArgumentParser(prog="python -m exchange_poc.stream")
    try:
        default = f"127.0.0.1:{settings.STREAM_PORT}"
        parser.add_argument("--bind", type=address, metavar="HOST:PORT", default=default)
        host, port = parser.parse_args().bind
        serve(load, prepare=prepare, host=host, port=port, processes=1)
    except ImproperlyConfigured as error:
        raise SystemExit(f"exchange-poc: {error}") from None


if __name__ == "__main__":
    main()
