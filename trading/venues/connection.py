"""The connection of this process to Binance Spot Testnet, and the names of our orders there."""

from functools import lru_cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from market.binance.client import BinanceClient
from market.binance.errors import CredentialsMissing
from trading.models import Order, Venue
from trading.venue_denials import VENUE_DENIALS


def check_venue() -> None:
    """Raise ImproperlyConfigured for settings that no order could be placed with.

    Missing credentials are no such setting: they are told to who places an order.
    """
    if settings.EXCHANGE_VENUE not in Venue.values:
        known = ", ".join(Venue.values)
        raise ImproperlyConfigured(
            f"EXCHANGE_VENUE knows {known}, not {settings.EXCHANGE_VENUE!r}."
        )
    try:
        BinanceClient(base_url=settings.BINANCE_BASE_URL)
    except ValueError as error:
        raise ImproperlyConfigured(f"BINANCE_BASE_URL: {error}") from error


def has_credentials() -> bool:
    return bool(settings.BINANCE_API_KEY and settings.BINANCE_API_SECRET)


def venue_client() -> BinanceClient:
    """Return the client of the configured account. Raises CredentialsMissing."""
    if not has_credentials():
        raise CredentialsMissing(VENUE_DENIALS[CredentialsMissing.code])
    return client_of(
        settings.BINANCE_BASE_URL, settings.BINANCE_API_KEY, settings.BINANCE_API_SECRET
    )


@lru_cache(maxsize=1)
def client_of(base_url: str, api_key: str, api_secret: str) -> BinanceClient:
    """Return one client per process: it remembers the venue's clock and the pauses it asked for."""
    return BinanceClient(base_url=base_url, api_key=api_key, api_secret=api_secret)


def venue_order_id(order: Order) -> str:
    """Return the client id of an order at the venue, at most 36 characters.

    The time of acceptance tells it from an order of an earlier database with the same number:
    accounts at the venue live longer than a local database.
    """
    return f"xp-{order.pk}-{int(order.created_at.timestamp() * 1000)}"
