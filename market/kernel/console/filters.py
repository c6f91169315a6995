"""Filters of the console's lists that need no look at the whole table to offer their choices."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import RangeDateFilter
from unfold.utils import parse_date_str

from market.kernel.endless import not_after, not_before

#: Nothing comes after this day, so that it bounds nothing.
LAST_MIDNIGHT = datetime.combine(date.max, time(), UTC)


class DayFilter(RangeDateFilter):
    """Rows of a time field from one day to another, both included, in UTC."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        first, end = self.span()
        if first:
            queryset = queryset.filter(**{f"{self.parameter_name}__gte": first})
        if end:
            queryset = queryset.filter(**{f"{self.parameter_name}__lt": end})
        return queryset

    def span(self) -> tuple[datetime | None, datetime | None]:
        """Return the midnights from which on and until which; None where there is no bound."""
        first = midnight_of(self.used_parameters.get(f"{self.parameter_name}_from"))
        last = midnight_of(self.used_parameters.get(f"{self.parameter_name}_to"))
        return first, last + timedelta(days=1) if last and last < LAST_MIDNIGHT else None


class EndlessDayFilter(DayFilter):
    """The same of an endless table whose keys rise with the time: days are found by key."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        (first, end), name = self.span(), self.parameter_name
        rows = super().queryset(request, queryset)
        if first:
            rows = rows.filter(pk__gte=not_before(queryset, name, first))
        return rows.filter(pk__lt=not_after(queryset, name, end)) if end else rows


def midnight_of(text: str | None) -> datetime | None:
    """Return the beginning of a day written as in a form; None for what is no day."""
    day = parse_date_str(text)
    return datetime.combine(day, time(), UTC) if day else None
