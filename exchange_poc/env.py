"""Reads settings from environment variables and says which one is wrong."""

import contextlib
import os
import re
import secrets
import tempfile
from decimal import Decimal
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

from django.core.exceptions import ImproperlyConfigured
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo

from accounts.rates import Rate
from exchange_poc.variables import text

#: Characters of a signing key.
SHORTEST_SECRET = 32

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off"}
#: Seconds, processes, shares: more than this of anything is a slip.
LARGEST_NUMBER = 1_000_000_000
#: A century of anything that is kept.
LONGEST_DAYS = 36_500
Number = TypeVar("Number", int, float, Decimal)

#: Django's names of what libpq calls otherwise.
DJANGO_NAMES = {
    "NAME": "dbname",
    "USER": "user",
    "PASSWORD": "password",
    "HOST": "host",
    "PORT": "port",
}
PORTS = re.compile(r"(\d+(,\d+)*)?")
#: An option of psycopg's own among those of libpq in DATABASE_URL.
PREPARE = "prepare_threshold"
#: How many orders a key may place where nothing else is set.
USUAL_ORDER_RATE = "600/m"


def flag(name: str, *, default: bool) -> bool:
    """Return a boolean variable: 1, true, yes or on, and their opposites, in any case."""
    value = text(name).lower()
    if value and value not in TRUE | FALSE:
        raise ImproperlyConfigured(f"{name} must be 1 or 0, not {value!r}.")
    return value in TRUE if value else default


def words(name: str, *, default: str) -> list[str]:
    """Return a comma-separated variable as a list without empty words."""
    return [word.strip() for word in text(name, default=default).split(",") if word.strip()]


def number(name: str, default: Number, low: int, high: int = LARGEST_NUMBER) -> Number:
    """Return a variable as a number from ``low`` to ``high``, whole where its default is."""
    given = text(name)
    kind = type(default)
    with contextlib.suppress(ValueError, ArithmeticError):
        value = kind(given) if given else default
        if low <= value <= high:
            return value
    whole = "a whole number" if kind is int else "a number"
    raise ImproperlyConfigured(
        f"{name} must be {whole} from {low} to {high:,}, not {given[:40]!r}."
    )


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
    value = text(name, default=default)
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

    What else libpq reads from it, such as ``sslmode`` or the directory of a socket as ``host``, is
    handed on, and psycopg's ``prepare_threshold`` beside it; what neither knows is refused. Without
    a URL the settings load (for checks and type checking) but nothing can connect.
    """
    url = url or "postgresql://exchange@127.0.0.1:5432/exchange"
    if not url.startswith(("postgres://", "postgresql://")):
        raise ImproperlyConfigured("DATABASE_URL must start with postgresql://")
    url, own_options = split_own_options(url)
    unknown = sorted({key for key, _ in parse_qsl(url.partition("?")[2], True)} - libpq_options())
    if unknown:
        raise ImproperlyConfigured(f"DATABASE_URL has options unknown to PostgreSQL: {unknown}.")
    try:
        options = conninfo_to_dict(url)
    except ProgrammingError:
        # The reason that libpq gives may quote a password.
        raise ImproperlyConfigured(
            "DATABASE_URL must be like postgresql://user:password@host:port/name, percent-encoded."
        ) from None
    named = {ours: str(options.pop(theirs, "")) for ours, theirs in DJANGO_NAMES.items()}
    if not (named["NAME"] or "service" in options):
        raise ImproperlyConfigured("DATABASE_URL must name a database or a service.")
    if not PORTS.fullmatch(named["PORT"]):
        raise ImproperlyConfigured(f"DATABASE_URL has the port {named['PORT']!r}, no number.")
    return {"ENGINE": "exchange_poc.postgresql", **named, "OPTIONS": options | own_options}


def split_own_options(url: str) -> tuple[str, dict[str, None]]:
    """Return a URL without ``prepare_threshold``, which libpq would refuse, and what it asks for.

    ``none``, its one value, lets no statement be prepared.
    """
    base, _, query = url.partition("?")
    options = query.split("&")
    own = [option for option in options if option.partition("=")[0] == PREPARE]
    if set(own) - {f"{PREPARE}=none"}:
        raise ImproperlyConfigured(f"DATABASE_URL's {PREPARE} can only be none.")
    rest = "&".join(option for option in options if option not in own)
    return f"{base}?{rest}" if rest else base, dict.fromkeys([PREPARE] if own else [])


def libpq_options() -> set[str]:
    """Return the options that the PostgreSQL client library reads."""
    return {one.keyword.decode() for one in Conninfo.get_defaults()}


def secret_key(*, local_dir: Path) -> str:
    """Return DJANGO_SECRET_KEY or, when unset, a random key kept in ``local_dir`` (mode 0600).

    It signs tokens with HS256, which wants 256 bits (RFC 7518, section 3.2): a shorter one could
    be found by trying keys on a token.
    """
    key = text("DJANGO_SECRET_KEY")
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
