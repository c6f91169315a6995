"""The exchange's web server with other patience than it has: ``python -m …hasty``.

Tests wait out what is shorter; what is longer is to end nothing before.
"""

from exchange_poc.web import gateway, long_answer, server
from exchange_poc.web.__main__ import main

server.REQUEST_SECONDS = gateway.REQUEST_SECONDS = 10  # type: ignore[misc]
server.STOP_SECONDS = 2  # type: ignore[misc]
server.UNTAKEN_SECONDS = long_answer.PIECE_SECONDS = 600  # type: ignore[misc]

if __name__ == "__main__":
    main()
