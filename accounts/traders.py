"""Many traders at once, named by a prefix: PREFIX-1, PREFIX-2 and so on, each with a key.

All of them come to be or none does, and none before the keys are where they are kept.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from django.db import IntegrityError, transaction

from accounts.errors import InvalidPrefix, NameTaken, TooManyTraders
from accounts.key_terms import KeyTerms, checked_terms
from accounts.keys import issue_api_key
from accounts.models import Tier, User
from accounts.services import checked_amount, create_user

MOST_TRADERS: Final = 1000
#: Why they come to be, as histories and the audit trail tell it.
COMMAND: Final = "manage.py add_traders"
#: A letter first, so that no program takes a name for a formula.
PREFIX: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}", re.ASCII)


@dataclass(frozen=True, slots=True)
class NewTrader:
    """A trader who has just come to be, with the key in clear, which nobody can ask for again."""

    user: User
    key: str = field(repr=False)


#: Takes the new traders as they come to be, and returns once all their keys are kept.
Keep = Callable[[Iterable[NewTrader]], None]


def trader_names(*, prefix: str, count: int) -> list[str]:
    """Return the names of ``count`` traders. Raises InvalidPrefix, TooManyTraders."""
    if not PREFIX.fullmatch(prefix):
        raise InvalidPrefix
    if not 1 <= count <= MOST_TRADERS:
        raise TooManyTraders(f"A call makes from 1 to {MOST_TRADERS} traders.")
    return [f"{prefix}-{number}" for number in range(1, count + 1)]


def names_in_use(names: Sequence[str]) -> set[str]:
    """Return which of the names belong to a user already."""
    return set(User.objects.filter(username__in=names).values_list("username", flat=True))


def add_traders(
    *,
    names: Iterable[str],
    tier: Tier,
    opening_balance: Decimal | None,
    keep: Keep,
    terms: KeyTerms | None = None,
) -> None:
    """Create a user of each name with an account and one API key, of ``terms``; all or none.

    The account opens as ``create_user`` says. It is committed when ``keep`` has returned, and
    undone when that raises. Raises InvalidAmount, as ``checked_terms`` does, and NameTaken where
    there is such a user.
    """
    if opening_balance is not None:
        checked_amount(opening_balance)
    kept = checked_terms(terms or KeyTerms())
    with transaction.atomic():
        keep(new_traders(names, tier, opening_balance, kept))


def new_traders(
    names: Iterable[str], tier: Tier, opening_balance: Decimal | None, terms: KeyTerms
) -> Iterator[NewTrader]:
    for name in names:
        try:
            user = create_user(
                username=name, tier=tier, opening_balance=opening_balance, reason=COMMAND
            )
        except IntegrityError as error:
            raise NameTaken(
                f"Somebody has just taken the name {name}; nothing was done."
            ) from error
        issued = issue_api_key(user=user, label="add_traders", reason=COMMAND, terms=terms)
        yield NewTrader(user, issued[1])
