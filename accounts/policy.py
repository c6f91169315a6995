"""Writes of the account policy: what new accounts open with, who may call what, and how often."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from django.conf import settings
from django.db import transaction

from accounts.access import must_post_transfers
from accounts.errors import InvalidRateLimit, WeightAboveLimit
from accounts.models import MOST_PER_WINDOW, AccountPolicy, KeyScopes, RateLimit, User
from accounts.rates import Rate
from accounts.throttling import counted_calls
from accounts.weights import checked_weights, weights_of
from market.kernel.reasons import checked_reason
from market.kernel.versions import lock_row, write_configuration

WEIGHTS: Final = "request_weights"
REQUESTS: Final = "requests_per_minute"
#: What limits the orders of a key.
ORDER_LIMITS: Final = {"orders_per_minute", "orders_per_10_seconds"}


@transaction.atomic
def change_account_policy(
    *,
    policy: AccountPolicy,
    changes: Mapping[str, Any],
    reason: str,
    by: User | None = None,
    version: str | None = None,
) -> None:
    """Change what new accounts open with, who may call what, and what a call weighs, with history.

    The first moves money, so it is for staff who may post transfers. Raises Forbidden,
    InvalidWeights, WeightAboveLimit, ReasonRequired, ReasonTooLong, and StaleVersion as
    ``lock_row`` does.
    """
    said, asked = checked_reason(reason), dict(changes)
    if "opening_balance" in asked:
        must_post_transfers(by)
    lock_row(policy, version=version)
    if WEIGHTS in asked:
        asked[WEIGHTS] = checked_weights(asked[WEIGHTS], calls=counted_calls())
        must_fit(asked[WEIGHTS], RateLimit.objects.values_list(REQUESTS, flat=True))
    write_configuration(policy, asked, said)


@transaction.atomic
def change_rate_limit(
    *, limit: RateLimit, changes: Mapping[str, Any], reason: str, version: str | None = None
) -> None:
    """Change how often keys of a tier and of scopes may call, with history; from the next call on.

    None is as the settings say. Raises InvalidRateLimit, WeightAboveLimit, ReasonRequired,
    ReasonTooLong, and StaleVersion as ``lock_row`` does.
    """
    said = checked_reason(reason)
    for name, most in changes.items():
        if most is None:
            continue
        if not 1 <= most <= MOST_PER_WINDOW:
            raise InvalidRateLimit(f"A limit is from 1 to {MOST_PER_WINDOW:,}, or empty.")
        if name in ORDER_LIMITS and limit.scopes == KeyScopes.READ:
            raise InvalidRateLimit("A key that only reads places no orders.")
    if REQUESTS in changes:
        # What a call weighs stays as it is until the limit is written.
        policy = AccountPolicy.objects.select_for_update(no_key=True).get(id=1)
        must_fit(policy.request_weights, [changes[REQUESTS]])
    write_configuration(limit, changes, said, version)


def must_fit(weights: str, limits: Iterable[int | None]) -> None:
    """Refuse weights of which a limit of requests bears not even one. Raises WeightAboveLimit.

    A limit that is None is as API_RATE_LIMIT says.
    """
    rate = settings.API_RATE_LIMIT
    usual = None if rate is None else Rate.read(rate).count
    set_to = [usual if one is None else one for one in limits]
    least = min((one for one in set_to if one is not None), default=None)
    for call, weight in weights_of(weights).items():
        if least is not None and weight > least:
            raise WeightAboveLimit(
                f"{call} counts as {weight} requests, of which a limit allows {least}."
            )
