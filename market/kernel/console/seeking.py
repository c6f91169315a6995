"""Pages of endless lists, found by the number of a record: the last is as near as the first.

A list is newest first. Where its page names columns that an index begins with and the key ends,
it can be sorted by one of them as well: equal values are newest first then, and a page is still
read from where another one ends. Rows of one value are read apart from those that follow, since of
both together PostgreSQL would read all that lie before.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from django.contrib.admin.views.main import ORDER_VAR
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.views import ChangeList

from market.kernel.console.search import number_of
from market.kernel.endless import KeysFirst

#: Of the query string: the page of the next records after a number, or before one.
BELOW: Final = "below"
ABOVE: Final = "above"
KEY: Final = "pk"
#: What the links to other pages are called, by whether the newest record is the first.
NEWEST_FIRST: Final = ("Newest", "Newer", "Older", "Oldest")
OTHERWISE: Final = ("First", "Previous", "Next", "Last")


class Start(NamedTuple):
    """The record that a page begins after, with its value of the field that is sorted by."""

    key: int
    value: Any = None


@dataclass(frozen=True, slots=True)
class Order:
    """An order of rows: by a field, smallest first, newest first where it is equal; or backwards.

    By the key alone it is newest first.
    """

    field: str = KEY
    is_backward: bool = False

    @property
    def names(self) -> list[str]:
        return self.names_of(forward=not self.is_backward)

    def names_of(self, *, forward: bool) -> list[str]:
        if self.field == KEY:
            return ["-pk"] if forward else ["pk"]
        return [self.field, "-pk"] if forward else [f"-{self.field}", "pk"]

    def start(self, rows: QuerySet[Any], key: int) -> Start | None:
        """Return where a page begins after a record; None where there is no such record."""
        if self.field == KEY:
            return Start(key)
        values = rows.filter(pk=key).values_list(self.field, flat=True)
        return next((Start(key, value) for value in values), None)

    def page(
        self, rows: QuerySet[Any], start: Start | None, most: int, *, onward: bool
    ) -> list[Any]:
        """Return the next ``most`` rows after one, in this order or (not ``onward``) against it.

        Without a ``start`` they are the first or the last ones.
        """
        forward = onward != self.is_backward
        names = self.names_of(forward=forward)
        if start is None:
            return list(KeysFirst(rows.order_by(*names))[:most])
        beyond = {"pk__lt" if forward else "pk__gt": start.key}
        if self.field == KEY:
            return list(KeysFirst(rows.filter(**beyond).order_by(*names))[:most])
        same = rows.filter(**{self.field: start.value}, **beyond).order_by(names[-1])
        found = list(KeysFirst(same)[:most])
        if len(found) < most:
            others = rows.filter(**{f"{self.field}__{'gt' if forward else 'lt'}": start.value})
            found += KeysFirst(others.order_by(*names))[: most - len(found)]
        return found


class SeekingList(ChangeList):
    """A list that is never counted; each page begins where another one ends."""

    def get_filters_params(self, params: Any = None) -> dict[str, Any]:
        found: dict[str, Any] = super().get_filters_params(params)
        return {name: value for name, value in found.items() if name not in (BELOW, ABOVE)}

    def get_query_string(self, new_params: Any = None, remove: Any = None) -> str:
        """Begin at the first page again where a filter or the order changes."""
        address: str = super().get_query_string(new_params, [*(remove or ()), BELOW, ABOVE])
        return address

    def get_ordering(self, request: HttpRequest, queryset: Any) -> list[str]:
        """Leave the order to the pages: what no index sorts by would sort all of the table."""
        return ["-pk"]

    def get_ordering_field_columns(self) -> dict[int, str]:
        """Return the one column that the list is sorted by, for its header."""
        asked = {} if ORDER_VAR not in self.params else super().get_ordering_field_columns()
        return dict(list(asked.items())[:1])

    @property
    def order(self) -> Order:
        """The order that an address asks for, where the page offers it."""
        for index, direction in self.get_ordering_field_columns().items():
            name = self.list_display[index] if index < len(self.list_display) else ""
            field = self.model_admin.seeks_by.get(name)
            if field is not None:
                return Order(field, is_backward=(direction == "asc") == (field == KEY))
        return Order()

    def get_results(self, request: HttpRequest) -> None:
        below, above = (number_of(request.GET.get(name, "")) for name in (BELOW, ABOVE))
        size, order, rows = self.list_per_page, self.order, self.queryset
        onward, key = above is None, below if above is None else above
        start = order.start(self.model._default_manager.all(), key) if key else None
        found = order.page(rows, start, size + 1, onward=onward)
        self.result_list = found[:size] if onward else found[:size][::-1]
        more, other = len(found) > size, start is not None
        self.has_newer = other if onward else more
        self.has_older = more if onward else other
        self.paginator = self.model_admin.get_paginator(request, self.queryset, size)
        self.result_count, self.full_result_count = self.paginator.count, None
        self.show_full_result_count, self.show_admin_actions = False, True
        self.can_show_all, self.multi_page = False, True

    @property
    def pages(self) -> Mapping[str, str | None]:
        """The addresses of other pages by what their links say; None where there is no page."""
        first, last = (self.result_list[end].pk if self.result_list else 0 for end in (0, -1))
        names = NEWEST_FIRST if self.order.names == ["-pk"] else OTHERWISE
        addresses = (
            self.get_query_string() if self.has_newer else None,
            self.get_query_string({ABOVE: first}) if self.has_newer else None,
            self.get_query_string({BELOW: last}) if self.has_older else None,
            self.get_query_string({ABOVE: 0}) if self.has_older else None,
        )
        return dict(zip(names, addresses, strict=True))
