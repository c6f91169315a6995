"""Search of large tables by what an index answers: the number of a record, or its owner."""

from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest

#: The largest number that a record can have, and how many owners one search may stand for.
LARGEST_ID = 2**63 - 1
MOST_OWNERS = 100


def number_of(text: str) -> int | None:
    """Return the number of a record that a text writes, or None where it writes none."""
    if not text.isdecimal() or len(text) > len(str(LARGEST_ID)):
        return None
    number = int(text)
    return number if number <= LARGEST_ID else None


class FoundByNumberOrOwner:
    """Searches a table by its key and by the beginning of its account's username.

    Digits are looked up as a number too; ``number_fields`` names further indexed ones.
    """

    search_help_text = "Number, or beginning of a username"
    search_fields = ("id",)
    number_fields: tuple[str, ...] = ("pk",)
    owner_fields: tuple[str, ...] = ("account",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        found = Q()
        for field in self.owner_fields:
            found |= Q(**{f"{field}__in": self.owners(queryset, field, term)})
        number = number_of(term)
        if number is not None:
            for field in self.number_fields:
                found |= Q(**{field: number})
        return queryset.filter(found), False

    def owners(self, queryset: QuerySet[Any], field: str, term: str) -> list[int]:
        """Return the accounts whose user's name begins with a term.

        They are fetched first, so that the search itself is on one table and its indexes.
        """
        account = queryset.model._meta.get_field(field).related_model
        named = account.objects.filter(user__username__istartswith=term)
        return list(named.values_list("pk", flat=True)[:MOST_OWNERS])
