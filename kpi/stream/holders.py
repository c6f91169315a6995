"""Who holds a stream, and whether they still may."""

from collections.abc import Collection
from dataclasses import dataclass

from accounts.keys import live_keys
from accounts.models import User


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a stream: a key, or (``key_id`` None) a person in the console.

    ``is_staff`` is whether its user was staff when it was opened, and so sees what others may not.
    """

    key_id: int | None
    user_id: int
    is_staff: bool


def still_welcome(holders: Collection[Holder]) -> set[Holder]:
    """Return those whose key lives and whose user is active, and still staff if they were."""
    keys = live_keys().filter(pk__in={h.key_id for h in holders if h.key_id is not None})
    people = User.objects.filter(
        pk__in={holder.user_id for holder in holders if holder.key_id is None},
        is_active=True,
        is_staff=True,
    )
    living = {
        *keys.values_list("pk", "user_id", "user__is_staff"),
        *((None, pk, True) for pk in people.values_list("pk", flat=True)),
    }
    return {
        holder
        for holder in holders
        if (holder.key_id, holder.user_id, True) in living
        or (not holder.is_staff and (holder.key_id, holder.user_id, False) in living)
    }
