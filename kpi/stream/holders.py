"""Who holds a stream, and whether they still may."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

from accounts.keys import live_keys
from accounts.models import User

#: So many digits of a digest name a person.
PERSON: Final = 32


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a stream: a key, or (``key_id`` None) a ``person`` in the console.

    ``is_staff`` is whether its user was staff when it was opened, and so sees what others may not.
    """

    key_id: int | None
    user_id: int
    is_staff: bool
    person: str = ""


def person_of(user: User) -> str:
    """Return what tells a person from others who have the same number, as after a restore.

    It changes with the password, which ends sessions of the console too.
    """
    return str(user.get_session_auth_hash())[:PERSON]


def still_welcome(holders: Collection[Holder]) -> set[Holder]:
    """Return those whose key lives and whose user is active, and still staff if they were."""
    keys = live_keys().filter(pk__in={h.key_id for h in holders if h.key_id is not None})
    people = User.objects.filter(
        pk__in={holder.user_id for holder in holders if holder.key_id is None},
        is_active=True,
        is_staff=True,
    )
    living = {
        *(Holder(*row) for row in keys.values_list("pk", "user_id", "user__is_staff")),
        *(Holder(None, user.pk, True, person_of(user)) for user in people),
    }
    return {
        holder
        for holder in holders
        if replace(holder, is_staff=True) in living or (not holder.is_staff and holder in living)
    }
