"""The exchange's web server with less patience, which tests wait out: ``python -m …hasty``."""

from exchange_poc.web import gateway, server
from exchange_poc.web.__main__ import main

server.REQUEST_SECONDS = gateway.REQUEST_SECONDS = 5  # type: ignore[misc]
server.STOP_SECONDS = 2  # type: ignore[misc]

if __name__ == "__main__":
    main()
