"""Networks in CIDR notation: read from what people write, and asked for an address."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Final

from django.db import models

from accounts.addresses import parsed
from accounts.errors import InvalidNetworks

Network = IPv4Network | IPv6Network

#: Each call of a key looks through its networks.
MOST_NETWORKS: Final = 32
#: Characters of all of them, as people write them.
LONGEST_LIST: Final = 2_000
#: An IPv4 address is carried by IPv6 behind so many bits.
MAPPED_BITS: Final = 96


class NetworkField(models.Field):
    """A network, which the database takes for one too, or refuses."""

    def db_type(self, connection: Any) -> str:
        return "cidr"


def checked_networks(texts: Iterable[str]) -> list[str]:
    """Return networks as they are kept: each once, an address as a network of one.

    Raises InvalidNetworks for what is none, for bits set behind a prefix, and for too many.
    """
    networks = list(dict.fromkeys(str(checked_network(text.strip())) for text in texts))
    if len(networks) > MOST_NETWORKS:
        raise InvalidNetworks(f"A key has {MOST_NETWORKS} networks at most.")
    return networks


def checked_network(text: str) -> Network:
    """Return a network, of IPv4 where IPv6 merely carries it. Raises InvalidNetworks."""
    if "%" in text:
        raise InvalidNetworks(f"{text[:60]!r} names a zone, which no address of a client has.")
    try:
        return unmapped(ip_network(text))
    except ValueError as error:
        raise InvalidNetworks(f"{text[:60]!r} is no network{hint(text)}.") from error


def hint(text: str) -> str:
    """Say what was meant where bits are set behind the prefix."""
    try:
        return f": bits are set behind its prefix. Did you mean {ip_network(text, strict=False)}?"
    except ValueError:
        return ", such as 192.0.2.0/24, 2001:db8::/32 or 192.0.2.1"


def unmapped(network: Network) -> Network:
    carried = getattr(network.network_address, "ipv4_mapped", None)
    if carried is None or network.prefixlen < MAPPED_BITS:
        return network
    return IPv4Network((carried, network.prefixlen - MAPPED_BITS))


def allow(networks: Sequence[str], address: str) -> bool:
    """Tell whether networks hold a client's address; none hold all, and no one holds no address."""
    if not networks:
        return True
    client = parsed(address)
    return client is not None and any(client in network for network in known(tuple(networks)))


@lru_cache(maxsize=1024)
def known(networks: tuple[str, ...]) -> tuple[Network, ...]:
    """Return networks as the database wrote them."""
    return tuple(map(ip_network, networks))
