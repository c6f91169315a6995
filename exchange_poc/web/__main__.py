"""``python -m exchange_poc.web [--bind HOST:PORT]``."""

import argparse
import os

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from exchange_poc.variables import text
from exchange_poc.web.server import serve
from exchange_poc.web.worker import load, prepare


def address(bind: str) -> tuple[str, int]:
    """Return host and port of ``host:port``. Raises ValueError, which argparse explains."""
    host, _, port = bind.rpartition(":")
    return host.strip("[]"), int(port)


def main() -> None:
    """Serve until a signal ends it; exit with the reason when it cannot begin."""
    parser = argparse.ArgumentParser(prog="python -m exchange_poc.web")
    default = f"127.0.0.1:{text('PORT', default='8000')}"
    parser.add_argument("--bind", type=address, metavar="HOST:PORT", default=default)
    host, port = parser.parse_args().bind
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "exchange_poc.settings")
    try:
        serve(load, prepare=prepare, host=host, port=port, processes=settings.WEB_WORKERS)
    except ImproperlyConfigured as error:
        raise SystemExit(f"exchange-poc: {error}") from None


if __name__ == "__main__":
    main()
