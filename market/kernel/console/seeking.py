"""Pages of endless lists, found by the number of a record: the last is as near as the first."""

from collections.abc import Mapping
from typing import Any, Final

from django.http import HttpRequest
from unfold.views import ChangeList

from market.kernel.console.search import number_of
from market.kernel.endless import KeysFirst

#: Of the query string: the page of the next records below a number, or above one.
BELOW: Final = "below"
ABOVE: Final = "above"


class SeekingList(ChangeList):
    """A list that is newest first and never counted; each page begins where another one ends."""

    def get_filters_params(self, params: Any = None) -> dict[str, Any]:
        found: dict[str, Any] = super().get_filters_params(params)
        return {name: value for name, value in found.items() if name not in (BELOW, ABOVE)}

    def get_query_string(self, new_params: Any = None, remove: Any = None) -> str:
        """Begin at the first page again where a filter changes."""
        address: str = super().get_query_string(new_params, [*(remove or ()), BELOW, ABOVE])
        return address

    def get_ordering(self, request: HttpRequest, queryset: Any) -> list[str]:
        """Sort by nothing else, whatever an address asks for: it would sort all of the table."""
        return ["-pk"]

    def get_results(self, request: HttpRequest) -> None:
        below, above = (number_of(request.GET.get(name, "")) for name in (BELOW, ABOVE))
        size, rows = self.list_per_page, KeysFirst(self.queryset)
        if above is not None:
            found = list(rows.filter(pk__gt=above).order_by("pk")[: size + 1])
            self.has_newer, self.has_older = len(found) > size, above > 0
            self.result_list = found[:size][::-1]
        else:
            found = list((rows if below is None else rows.filter(pk__lt=below))[: size + 1])
            self.has_newer, self.has_older = below is not None, len(found) > size
            self.result_list = found[:size]
        self.paginator = self.model_admin.get_paginator(request, self.queryset, size)
        self.result_count, self.full_result_count = self.paginator.count, None
        self.show_full_result_count, self.show_admin_actions = False, True
        self.can_show_all, self.multi_page = False, True

    @property
    def pages(self) -> Mapping[str, str | None]:
        """The addresses of other pages by what their links say; None where there is no page."""
        first, last = (self.result_list[end].pk if self.result_list else 0 for end in (0, -1))
        return {
            "Newest": self.get_query_string() if self.has_newer else None,
            "Newer": self.get_query_string({ABOVE: first}) if self.has_newer else None,
            "Older": self.get_query_string({BELOW: last}) if self.has_older else None,
            "Oldest": self.get_query_string({ABOVE: 0}) if self.has_older else None,
        }
