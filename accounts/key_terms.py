"""What an API key is good for: what it may call, until when, and from which networks.

A key holds to its terms at the token endpoint and at each call, so that a change of them ends what
it no longer allows at once, tokens and streams of before included.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from typing import Final, Self

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from accounts.addresses import client_address
from accounts.errors import ExpiryPassed, KeyExpired, NetworkNotAllowed, ScopeMissing
from accounts.models import ApiKey, KeyScopes
from accounts.networks import allow, checked_networks

#: What a call needs, by its method; whatever is not named here changes something.
READ, TRADE = "read", "trade"
NEEDED: Final = {"GET": READ, "HEAD": READ, "OPTIONS": READ}


@dataclass(frozen=True, slots=True)
class KeyTerms:
    """The terms of a key; of what is left out there is no limit."""

    scopes: str = KeyScopes.READ_TRADE
    expires_at: datetime | None = None
    networks: Sequence[str] = ()

    @classmethod
    def of(cls, key: ApiKey) -> Self:
        return cls(str(key.scopes), key.expires_at, tuple(key.networks))

    @property
    def version(self) -> str:
        """A digest, by which a form tells which terms it showed."""
        return hashlib.sha256(repr(astuple(self)).encode()).hexdigest()[:16]


def checked_terms(terms: KeyTerms, *, before: datetime | None = None) -> KeyTerms:
    """Return terms as they are kept, which is to the second.

    ``before`` is the expiry that a key has already. Raises InvalidNetworks, and ExpiryPassed for
    another one that is not in the future.
    """
    expires_at = terms.expires_at and terms.expires_at.replace(microsecond=0)
    if expires_at not in (None, before) and has_passed(expires_at):
        raise ExpiryPassed
    return KeyTerms(KeyScopes(terms.scopes).value, expires_at, checked_networks(terms.networks))


def has_passed(expires_at: datetime | None) -> bool:
    """Tell whether a key that expires then has expired: from that instant on."""
    return expires_at is not None and expires_at <= timezone.now()


def lifetime_of_token(terms: KeyTerms) -> timedelta:
    """Return for how long a token that is issued now opens anything: it ends with its key."""
    longest: timedelta = settings.ACCESS_TOKEN_LIFETIME
    return min(terms.expires_at - timezone.now(), longest) if terms.expires_at else longest


def must_open(terms: KeyTerms, request: HttpRequest) -> None:
    """Refuse a key that has expired, or comes from an address that it is not for.

    X-Forwarded-For counts as ``client_address`` says. Raises KeyExpired, NetworkNotAllowed.
    """
    if has_passed(terms.expires_at):
        raise KeyExpired
    if terms.networks and not allow(terms.networks, client_address(request)):
        raise NetworkNotAllowed


def needed_by(method: str) -> str:
    """Return the scope that a call of an HTTP method needs."""
    return NEEDED.get(method.upper(), TRADE)


def must_allow(terms: KeyTerms, request: HttpRequest) -> None:
    """Refuse a call that a key does not open. Raises as ``must_open`` does, and ScopeMissing."""
    must_open(terms, request)
    needed = needed_by(str(request.method))
    if needed not in terms.scopes.split():
        raise ScopeMissing(scope=needed)
