"""Reads settings from environment variables and says which one is wrong."""

import contextlib
import os
import secrets
import tempfile
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from accounts.rates import Rate

#: Characters of a signing key.
SHORTEST_SECRET = 32

#: How many orders a key may place where nothing else is set.
USUAL_ORDER_RATE = "600/m"


def flag(name: str, *, default: bool) -> bool:
    """Return a boolean variable: 1, true, yes or on, in any case."""
    value = os.environ.get(name, "")
    return value.lower() in {"1", "true", "yes", "on"} if value else default


def words(name: str, *, default: str) -> list[str]:
    """Return a comma-separated variable as a list without empty words."""
    return [word.strip() for word in os.environ.get(name, default).split(",") if word.strip()]


def networks(name: str) -> list[IPv4Network | IPv6Network]:
    """Return a comma-separated variable of networks and addresses; none by default."""
    try:
        return [ip_network(word) for word in words(name, default="")]
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{name} must be networks such as 10.0.0.0/8 or addresses: {error}."
        ) from error


def rate(name: str, *, default: str) -> str | None:
    """Return a rate such as ``100/m`` or ``5/10s``; ``off`` lifts the limit and gives None."""
    value = os.environ.get(name) or default
    if value == "off":
        return None
    try:
        Rate.read(value)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must be like 100/m (s, m, h or d) or off.") from error
    return value


def default_order_rate(request_rate: str | None) -> str:
    """Return the usual limit of orders; ``off`` where a key may send more requests than that."""
    usual = Rate.read(USUAL_ORDER_RATE)
    lifted = request_rate is None or Rate.read(request_rate).is_above(usual)
    return "off" if lifted else USUAL_ORDER_RATE


def webhook_url(url: str, *, secret: str) -> str:
    """Return the address of a webhook, or nothing: https, or http to this machine's loopback."""
    parts = urlsplit(url)
    is_local = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "::1", "localhost"}
    if url and not (parts.hostname and (parts.scheme == "https" or is_local)):
        raise ImproperlyConfigured(
            "ALERT_WEBHOOK_URL must be an https:// address, or http://127.0.0.1."
        )
    if url and not secret:
        raise ImproperlyConfigured("Set ALERT_WEBHOOK_SECRET, which signs what is sent.")
    return url


def database_from_url(url: str) -> dict[str, Any]:
    """Return Django's connection settings of a ``postgresql://`` URL.

    Without a URL the settings load (for checks and type checking) but nothing can connect.
    """
    parts = urlsplit(url or "postgresql://exchange@127.0.0.1:5432/exchange")
    if parts.scheme not in {"postgres", "postgresql"}:
        raise ImproperlyConfigured("DATABASE_URL must start with postgresql://")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
        **{key.upper(): value for key, value in parse_qsl(parts.query) if key == "service"},
    }


def secret_key(*, local_dir: Path) -> str:
    """Return DJANGO_SECRET_KEY or, when unset, a random key kept in ``local_dir`` (mode 0600).

    It signs tokens with HS256, which wants 256 bits (RFC 7518, section 3.2): a shorter one could
    be found by trying keys on a token.
    """
    key = os.environ.get("DJANGO_SECRET_KEY", "")
    if key:
        if len(key) < SHORTEST_SECRET:
            raise ImproperlyConfigured(
                f"DJANGO_SECRET_KEY must have at least {SHORTEST_SECRET} characters; "
                "make one with: openssl rand -base64 48"
            )
        return key
    path = local_dir / "secret_key"
    try:
        local_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=local_dir) as draft:
            draft.write(secrets.token_urlsafe(50))
            draft.flush()
            # A link appears whole or not at all, however many processes start at once.
            with contextlib.suppress(FileExistsError):
                os.link(draft.name, path)
        return path.read_text()
    except OSError as error:
        raise ImproperlyConfigured(
            f"Set DJANGO_SECRET_KEY: no key could be kept in {local_dir} ({error})."
        ) from error
