"""Search of orders in the console: what a word is about, by conditions that have an index."""

from collections.abc import Iterable

from django.db.models import BooleanField, Q, QuerySet
from django.db.models.expressions import RawSQL

from accounts.models import Account
from market.kernel.console.search import MOST_OWNERS, number_of
from market.selectors import instruments
from risk.denials import DENIALS
from trading.models import Order, OrderStatus
from trading.selectors import orders_named

#: Each word is looked up by itself; a term of more of them finds nothing.
MOST_WORDS = 8
#: Shorter words are no part of a reject code.
SHORTEST_PART = 4
#: Statuses by the words that people use for them.
STATUSES = {
    **{status.value.lower(): status for status in OrderStatus},
    **{status.label.partition(":")[0].lower(): status for status in OrderStatus},
    "refused": OrderStatus.REJECTED,
    "cancelled": OrderStatus.CANCELED,
}


def orders_of_term(orders: QuerySet[Order], term: str) -> QuerySet[Order]:
    """Return the orders that every word of a term says something of."""
    words = term.split()
    if len(words) > MOST_WORDS:
        return orders.none()
    for word in words:
        orders = orders.filter(said_by(word))
    return orders


def said_by(word: str) -> Q:
    """Return the condition of the orders that a word is about.

    A status, a symbol or a whole reject code is just that; any other word is a number, the name
    that a client gave an order, the beginning of a username or a part of a reject code.
    """
    lower = word.lower()
    if lower in STATUSES:
        return Q(status=STATUSES[lower])
    if instruments().filter(symbol=word.upper()).exists():
        return Q(symbol=word.upper())
    if lower in DENIALS:
        return refused_for([lower])
    return anything_named(word) or Q(symbol=word.upper())


def anything_named(word: str) -> Q:
    """Return what else a word may be about; empty where it is about nothing known."""
    found, number = Q(), number_of(word)
    if number is not None:
        found |= Q(pk=number)
    if owners := accounts_of(word):
        found |= Q(account_id__in=owners)
    if named := list(orders_named(word, user_id=None).values_list("pk", flat=True)[:MOST_OWNERS]):
        found |= Q(pk__in=named)
    if codes := codes_with(word.lower()):
        found |= refused_for(codes)
    return found


def accounts_of(word: str) -> list[int]:
    """Return the accounts of the users whose name begins with a word."""
    found = Account.objects.filter(user__username__istartswith=word)
    return list(found.values_list("pk", flat=True)[:MOST_OWNERS])


def codes_with(part: str) -> list[str]:
    """Return the reject codes that a word is a part of."""
    return [code for code in DENIALS if part in code] if len(part) >= SHORTEST_PART else []


def refused_for(codes: Iterable[str]) -> Q:
    """Return the condition of some known codes, which stand in the text for their index's sake.

    The column stands without its table, which has another name where keys are looked up first.
    """
    listed = ", ".join(f"'{code}'" for code in codes)
    has_code = RawSQL(  # noqa: S611
        f"reject_code IN ({listed})", [], output_field=BooleanField()
    )
    return Q(has_code)
