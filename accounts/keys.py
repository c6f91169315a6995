"""API keys: issued once in clear, kept as a digest, rotated with an overlap, ended by revoking."""

import hashlib
import secrets
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.access import is_regulator, must_change
from accounts.errors import InvalidApiKey, InvalidOverlap, KeyReplaced, KeyRevoked
from accounts.key_limits import KeyLimits
from accounts.key_terms import KeyTerms, checked_terms
from accounts.models import Account, ApiKey, User
from accounts.services import open_account
from market.kernel.errors import StaleVersion
from market.kernel.reasons import stated
from market.kernel.rows import columns_of, find, first_row

PREFIX_LENGTH = 8
#: ``last_used_at`` is this coarse, so that a busy key is not a busy row.
LAST_USE_RESOLUTION = timedelta(minutes=1)
#: For so long at most a key works beside the one that replaces it.
LONGEST_OVERLAP: Final = timedelta(days=30)


def digest(key: str) -> str:
    """Return the SHA-256 of a key as 64 hex digits.

    Issued keys carry 256 random bits, so a plain digest cannot be searched back.
    """
    return hashlib.sha256(key.encode()).hexdigest()


@transaction.atomic
def issue_api_key(
    *,
    user: User,
    reason: str,
    label: str = "",
    key: str | None = None,
    issued_by: User | None = None,
    terms: KeyTerms | None = None,
    replaces: ApiKey | None = None,
) -> tuple[ApiKey, str]:
    """Give ``user`` a new key, and an account if there is none; return (row, key in clear).

    A regulator gets no account, having nothing to trade with. ``issued_by`` is the member of staff
    whom the opening deposit and, with the reason, the audit trail name. Without ``terms`` the key
    reads and trades from anywhere for good.
    The clear key is not kept and cannot be shown again. Raises ReasonRequired, ReasonTooLong, and
    as ``checked_terms`` does.
    """
    kept = checked_terms(terms or KeyTerms())
    clear = key or f"xp_{secrets.token_urlsafe(32)}"
    if not is_regulator(user) and not Account.objects.filter(user=user).exists():
        open_account(user=user, created_by=issued_by)
    with stated(reason, by=issued_by):
        row = ApiKey.objects.create(
            user=user,
            label=label,
            prefix=clear[:PREFIX_LENGTH],
            key_hash=digest(clear),
            replaces=replaces,
            **asdict(kept),
        )
    return row, clear


@transaction.atomic
def change_key_terms(
    *,
    api_key: ApiKey,
    terms: KeyTerms,
    reason: str,
    by: User | None = None,
    version: str | None = None,
) -> None:
    """Set what a key is good for, which holds at once, for its tokens and streams too.

    The audit trail keeps who did it, why, and what was before. Raises Forbidden where ``by`` may
    not change the key's user, KeyRevoked, StaleVersion where the terms are not those of
    ``version``, ReasonRequired, ReasonTooLong, and as ``checked_terms`` does.
    """
    lock_key(api_key, by=by)
    must_be_shown(api_key, version)
    kept = checked_terms(terms, before=api_key.expires_at)
    with stated(reason, by=by):
        ApiKey.objects.filter(pk=api_key.pk).update(**asdict(kept))
    api_key.refresh_from_db()


@transaction.atomic
def rotate_api_key(
    *,
    api_key: ApiKey,
    overlap: timedelta,
    reason: str,
    expires_at: datetime | None = None,
    by: User | None = None,
    version: str | None = None,
) -> tuple[ApiKey, str]:
    """Replace a key by one of the same scopes and networks; return (row, key in clear).

    The old one opens what it did until ``overlap`` is over, or its own earlier expiry; then it ends
    with its tokens and streams. ``expires_at`` is that of the new one. Raises InvalidOverlap,
    Forbidden where ``by`` may not change the key's user, KeyRevoked, KeyReplaced where a live key
    replaces it already, StaleVersion as ``change_key_terms`` does, and as ``issue_api_key`` does.
    """
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise InvalidOverlap(f"An overlap is from 0 to {LONGEST_OVERLAP.days} days long.")
    lock_key(api_key, by=by)
    if live_keys().filter(replaces=api_key).exists():
        raise KeyReplaced
    must_be_shown(api_key, version)
    end = timezone.now().replace(microsecond=0) + overlap
    with stated(reason, by=by):
        ApiKey.objects.filter(pk=api_key.pk).update(expires_at=min(api_key.expires_at or end, end))
    api_key.refresh_from_db()
    return issue_api_key(
        user=api_key.user,
        label=api_key.label,
        reason=reason,
        issued_by=by,
        terms=replace(KeyTerms.of(api_key), expires_at=expires_at),
        replaces=api_key,
    )


def lock_key(api_key: ApiKey, *, by: User | None) -> None:
    """Lock a key until the transaction ends and read it anew. Raises Forbidden, KeyRevoked."""
    api_key.refresh_from_db(from_queryset=ApiKey.objects.select_for_update(no_key=True))
    must_change(by, api_key.user)
    if api_key.revoked_at is not None:
        raise KeyRevoked


def must_be_shown(api_key: ApiKey, version: str | None) -> None:
    """Refuse who saw other terms than the key has; None asks nobody. Raises StaleVersion."""
    if version is not None and version != KeyTerms.of(api_key).version:
        raise StaleVersion


def revoke_api_key(*, api_key: ApiKey, reason: str, by: User | None = None) -> None:
    """End a key and every token that names it, at once. Raises ReasonRequired, ReasonTooLong."""
    with stated(reason, by=by):
        ApiKey.objects.filter(pk=api_key.pk, revoked_at=None).update(revoked_at=timezone.now())
    api_key.refresh_from_db()


def revoke_api_keys(*, user: User, reason: str, by: User | None = None) -> int:
    """End all keys of a user, and every token that names one; return how many.

    Raises ReasonRequired, ReasonTooLong.
    """
    with stated(reason, by=by):
        return ApiKey.objects.filter(user=user, revoked_at=None).update(revoked_at=timezone.now())


def identify(*, key: str) -> ApiKey:
    """Return the row of a clear key that is not revoked, its user active. Raises InvalidApiKey.

    Whether it opens anything now is for its terms to say.
    """
    row = find(ApiKey, KEY_FIELDS, KEY_OF_DIGEST, [digest(key)])
    if row is None:
        raise InvalidApiKey
    return row


def note_use(row: ApiKey) -> None:
    """Keep when a key was used last, to the minute."""
    now = timezone.now()
    if row.last_used_at is None or now - row.last_used_at > LAST_USE_RESOLUTION:
        ApiKey.objects.filter(pk=row.pk).update(last_used_at=now)


#: What a request needs to know of its user, in the order in which ``User.from_db`` reads it.
USER_FIELDS = [
    name
    for name in columns_of(User)
    if name in {"id", "username", "tier", "is_active", "is_staff", "is_superuser"}
]
OF_USER: Final = len(USER_FIELDS)
KEY_FIELDS = columns_of(ApiKey)
KEY_OF_CALL = f"""
SELECT {", ".join(f"owner.{name}" for name in USER_FIELDS)},
       api_key.scopes, api_key.expires_at, nullif(api_key.networks, '{{}}'),
       policy.sliding_limits, policy.request_weights,
       held.requests_per_minute, held.orders_per_minute, held.orders_per_10_seconds
FROM accounts_apikey AS api_key
JOIN accounts_user AS owner ON owner.id = api_key.user_id
JOIN accounts_ratelimit AS held ON held.tier = owner.tier AND held.scopes = api_key.scopes
CROSS JOIN accounts_accountpolicy AS policy
WHERE api_key.id = %s AND api_key.revoked_at IS NULL AND owner.is_active
"""
KEY_OF_DIGEST = f"""
SELECT {", ".join(f"api_key.{name}" for name in KEY_FIELDS)}
FROM accounts_apikey AS api_key
JOIN accounts_user AS owner ON owner.id = api_key.user_id
WHERE api_key.key_hash = %s AND api_key.revoked_at IS NULL AND owner.is_active
"""


@dataclass(frozen=True, slots=True)
class CallingKey:
    """What a call needs to know of its key: a row of it would take as long as all else here."""

    pk: int
    user: User
    terms: KeyTerms
    limits: KeyLimits


def calling_key(*, key_id: int) -> CallingKey | None:
    """Return a key that is not revoked, with its active user and the fields that requests need.

    The user's ``calling_key`` leads back to it, by which limits know that it is a key that calls.
    Whether it opens anything now is for its terms to say.
    """
    row = first_row(KEY_OF_CALL, [key_id])
    if row is None:
        return None
    of_user, (scopes, expires_at, networks, *limits) = row[:OF_USER], row[OF_USER:]
    user = User.from_db(connection.alias, USER_FIELDS, of_user)
    terms = KeyTerms(scopes, expires_at, networks or ())
    key = CallingKey(key_id, user, terms, KeyLimits(*limits))
    user.calling_key = key  # type: ignore[attr-defined]
    return key


def live_keys() -> QuerySet[ApiKey]:
    """Keys that open the door: not revoked, nor expired, of an active user."""
    return unrevoked_keys().filter(Q(expires_at=None) | Q(expires_at__gt=timezone.now()))


def unrevoked_keys() -> QuerySet[ApiKey]:
    """Keys of active users that open the door by their terms; with the user."""
    return ApiKey.objects.select_related("user").filter(revoked_at=None, user__is_active=True)


def last_key_number() -> int:
    """Return the highest number that a key was given, whether it came to be or not."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT last_value FROM accounts_apikey_id_seq")
        return int(cursor.fetchone()[0])


def number_keys_after(last: int) -> None:
    """Let later keys have higher numbers than that one.

    A token names its key by number. Where keys vanish, as by a restore, it must not open the
    account of who is given the number next.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT setval('accounts_apikey_id_seq', greatest(last_value, %s)) "
            "FROM accounts_apikey_id_seq",
            [last],
        )
