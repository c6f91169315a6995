"""Refusals of the accounts app."""

from collections.abc import Mapping

from accounts.rate_limits import Usage
from market.kernel.errors import Conflict, ExchangeError, Forbidden, NotFound


class InvalidApiKey(ExchangeError):
    status = 401
    code = "invalid_api_key"
    detail = "This API key is unknown or revoked, or its user is not active."


class KeyExpired(ExchangeError):
    status = 401
    code = "key_expired"
    detail = "This API key has expired; ask staff for another one."
    headers: Mapping[str, str] = {"WWW-Authenticate": 'Bearer realm="api"'}


class NetworkNotAllowed(Forbidden):
    code = "network_not_allowed"
    detail = "This API key may not be used from your address."


class ScopeMissing(Forbidden):
    """The key lacks ``scope``."""

    code = "scope_missing"
    detail = "This API key may only read; use one that has the scope trade."


class KeyRevoked(Conflict):
    code = "key_revoked"
    detail = "This key is revoked for good; issue another one."


class KeyReplaced(Conflict):
    code = "key_replaced"
    detail = "A live key replaces this one already. Rotate that one, or revoke it first."


class ExpiryPassed(ExchangeError):
    code = "expiry_passed"
    detail = "An expiry lies in the future. To end a key now, revoke it."


class InvalidOverlap(ExchangeError):
    code = "invalid_overlap"


class InvalidNetworks(ExchangeError):
    code = "invalid_networks"


class InvalidAmount(ExchangeError):
    code = "invalid_amount"
    detail = "An amount is positive, below 1,000,000,000,000 and has at most eight places."


class InsufficientBalance(ExchangeError):
    code = "insufficient_balance"
    detail = "The balance is lower than the amount."


class StaffOnly(Forbidden):
    code = "staff_only"
    detail = "At present this call is for staff; use a key of theirs."


class RateLimited(ExchangeError):
    """A limit is reached; ``scope`` tells which one, ``retry_after`` seconds until it is not."""

    status = 429
    code = "rate_limited"

    def __init__(self, usage: Usage, detail: str = "") -> None:
        super().__init__(
            detail or f"Request was throttled. Expected available in {usage.retry_after} seconds.",
            scope=usage.scope,
            retry_after=usage.retry_after,
        )
        self.headers = {"Retry-After": str(usage.retry_after)}


class InvalidRateLimit(ExchangeError):
    code = "invalid_rate_limit"


class InvalidWeights(ExchangeError):
    code = "invalid_weights"


class WeightAboveLimit(ExchangeError):
    code = "weight_above_limit"


class AccountExists(Conflict):
    code = "account_exists"
    detail = "This user has an account already."


class AccountNotFound(NotFound):
    code = "account_not_found"
    detail = "This user has no account; staff can open one by issuing an API key."


class InvalidPrefix(ExchangeError):
    code = "invalid_prefix"
    detail = "A prefix has up to 40 letters, digits and _ . - and begins with a letter."


class TooManyTraders(ExchangeError):
    code = "too_many_traders"


class NameTaken(Conflict):
    code = "name_taken"
