"""The containers' health check: exits 1 unless a part of the exchange is well.

check_health.py HOST PART    asks http://HOST:8000/health for "database" or "worker"
"""

import json
import sys
import urllib.error
import urllib.request


def main(host: str, part: str) -> int:
    """Return 0 when ``part`` is ok as the web server at ``host`` (with a port or not) sees it."""
    address = host if ":" in host else f"{host}:8000"
    # The header keeps a server that insists on HTTPS from sending this plain request elsewhere.
    request = urllib.request.Request(
        f"http://{address}/health", headers={"X-Forwarded-Proto": "https"}
    )
    try:
        with urllib.request.urlopen(request, timeout=4) as response:  # noqa: S310
            status = json.load(response)[part]
    except urllib.error.HTTPError as error:
        status = f"unknown, the server answers {error.code}"
    except OSError as error:
        status = f"unknown, {error}"
    print(f"{part} is {status}")
    return 0 if status == "ok" else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
