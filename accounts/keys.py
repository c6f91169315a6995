"""API keys: issued once in clear, kept as a digest, ended by revoking."""

import hashlib
import secrets
from datetime import timedelta

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.access import is_regulator
from accounts.errors import InvalidApiKey
from accounts.models import Account, ApiKey, User
from accounts.services import open_account
from market.kernel.reasons import stated
from market.kernel.rows import columns_of, find

PREFIX_LENGTH = 8
#: ``last_used_at`` is this coarse, so that a busy key is not a busy row.
LAST_USE_RESOLUTION = timedelta(minutes=1)


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
) -> tuple[ApiKey, str]:
    """Give ``user`` a new key, and an account if there is none; return (row, key in clear).

    A regulator gets no account, having nothing to trade with. ``issued_by`` is the member of staff
    whom the opening deposit and, with the reason, the audit trail name.
    The clear key is not kept and cannot be shown again. Raises ReasonRequired, ReasonTooLong.
    """
    clear = key or f"xp_{secrets.token_urlsafe(32)}"
    if not is_regulator(user) and not Account.objects.filter(user=user).exists():
        open_account(user=user, created_by=issued_by)
    with stated(reason, by=issued_by):
        row = ApiKey.objects.create(
            user=user, label=label, prefix=clear[:PREFIX_LENGTH], key_hash=digest(clear)
        )
    return row, clear


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
    """Return the live key row of a clear key and note its use. Raises InvalidApiKey."""
    row = live_key(key_hash=digest(key))
    if row is None:
        raise InvalidApiKey
    now = timezone.now()
    if row.last_used_at is None or now - row.last_used_at > LAST_USE_RESOLUTION:
        ApiKey.objects.filter(pk=row.pk).update(last_used_at=now)
    return row


#: What a request needs to know of its user, in the order in which ``User.from_db`` reads it.
USER_FIELDS = [
    name
    for name in columns_of(User)
    if name in {"id", "username", "tier", "is_active", "is_staff", "is_superuser"}
]
KEY_FIELDS = columns_of(ApiKey)
USER_OF_LIVE_KEY = f"""
SELECT {", ".join(f"owner.{name}" for name in USER_FIELDS)}
FROM accounts_apikey AS api_key
JOIN accounts_user AS owner ON owner.id = api_key.user_id
WHERE api_key.id = %s AND api_key.revoked_at IS NULL AND owner.is_active
"""
LIVE_KEY = f"""
SELECT {", ".join(f"api_key.{name}" for name in KEY_FIELDS)}
FROM accounts_apikey AS api_key
JOIN accounts_user AS owner ON owner.id = api_key.user_id
WHERE api_key.key_hash = %s AND api_key.revoked_at IS NULL AND owner.is_active
"""


def user_of_live_key(*, key_id: int) -> User | None:
    """Return the active user of a key that is not revoked, with the fields that requests need."""
    return find(User, USER_FIELDS, USER_OF_LIVE_KEY, [key_id])


def live_key(*, key_hash: str) -> ApiKey | None:
    """Return the key of a digest, if it opens the door."""
    return find(ApiKey, KEY_FIELDS, LIVE_KEY, [key_hash])


def live_keys() -> QuerySet[ApiKey]:
    """Keys that open the door: not revoked, of an active user; with the user."""
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
