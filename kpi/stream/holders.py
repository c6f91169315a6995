"""Who holds a stream, and whether they still may."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from accounts.key_terms import has_passed
from accounts.keys import unrevoked_keys
from accounts.models import User
from accounts.networks import allow
from kpi.stream.frames import KEY_EXPIRED, KEY_REVOKED, NETWORK_NOT_ALLOWED, Closing

#: So many digits of a digest name a person.
PERSON: Final = 32


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a stream: a key, or (``key_id`` None) a ``person`` in the console.

    ``is_staff`` is whether its user was staff when it was opened, and so sees what others may not;
    ``address`` is where it was opened from.
    """

    key_id: int | None
    user_id: int
    is_staff: bool
    person: str = ""
    address: str = ""


def person_of(user: User) -> str:
    """Return what tells a person from others who have the same number, as after a restore.

    It changes with the password, which ends sessions of the console too.
    """
    return str(user.get_session_auth_hash())[:PERSON]


class LivingKey(NamedTuple):
    """Of a key that is not revoked, of an active user, what its streams hang on."""

    user_id: int
    is_staff: bool
    expires_at: datetime | None
    networks: Sequence[str]


def farewells(holders: Collection[Holder]) -> dict[Holder, Closing]:
    """Return why streams end of those who may hold one no longer.

    Their key was revoked, has expired or is not for their address any more, their user is not
    active, or not staff though they were.
    """
    keys = unrevoked_keys().filter(pk__in={h.key_id for h in holders if h.key_id is not None})
    found = keys.values_list("pk", "user_id", "user__is_staff", "expires_at", "networks")
    people = User.objects.filter(
        pk__in={holder.user_id for holder in holders if holder.key_id is None},
        is_active=True,
        is_staff=True,
    )
    known, persons = (
        {row[0]: LivingKey(*row[1:]) for row in found},
        {(one.pk, person_of(one)) for one in people},
    )
    ends = {holder: farewell(holder, known.get(holder.key_id or 0), persons) for holder in holders}
    return {holder: end for holder, end in ends.items() if end is not None}


def farewell(
    holder: Holder, key: LivingKey | None, persons: Collection[tuple[int, str]]
) -> Closing | None:
    if holder.key_id is None:
        return None if (holder.user_id, holder.person) in persons else KEY_REVOKED
    if key is None or key.user_id != holder.user_id or holder.is_staff > key.is_staff:
        return KEY_REVOKED
    if has_passed(key.expires_at):
        return KEY_EXPIRED
    return None if allow(key.networks, holder.address) else NETWORK_NOT_ALLOWED
