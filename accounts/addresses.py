"""The one place that says which address a request came from: for limits and for the log."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from django.conf import settings
from django.http import HttpRequest

UNKNOWN = "unknown"


def client_address(request: HttpRequest) -> str:
    """Return the address of the client, or of the last proxy that is not one of TRUSTED_PROXIES.

    Each proxy appends to X-Forwarded-For whom it was asked by; what stands left of the first
    address that is not trusted may have been written by anybody.
    """
    peer = request.META.get("REMOTE_ADDR", "")
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR")
    if not forwarded:
        return written(peer)
    address = parsed(peer)
    if address is None:
        return UNKNOWN
    hops = forwarded.split(",")
    while hops and is_trusted(address) and (before := parsed(hops.pop())) is not None:
        address = before
    return str(address)


@lru_cache
def written(text: str) -> str:
    """Return an address as limits and log lines write it, ``UNKNOWN`` for anything else."""
    address = parsed(text)
    return UNKNOWN if address is None else str(address)


@lru_cache
def parsed(text: str) -> IPv4Address | IPv6Address | None:
    """Return an address, of IPv4 where IPv6 merely carries it; None for anything else."""
    try:
        address = ip_address(text.strip())
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def is_trusted(address: IPv4Address | IPv6Address) -> bool:
    return any(address in network for network in settings.TRUSTED_PROXIES)
