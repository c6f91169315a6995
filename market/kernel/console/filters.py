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
        first = midnight_of(self.used_parameters.get(f"{self.parameter_name}_from"))
        last = midnight_of(self.used_parameters.get(f"{self.parameter_name}_to"))
        if first:
            queryset = queryset.filter(
                **{f"{self.parameter_name}__gte": first},
                pk__gte=not_before(queryset, self.parameter_name, first),
            )
        if last and last < LAST_MIDNIGHT:
            next_day = last + timedelta(days=1)
            queryset = queryset.filter(
                **{f"{self.parameter_name}__lt": next_day},
                pk__lt=not_after(queryset, self.parameter_name, next_day),
            )
        return queryset


def midnight_of(text: str | None) -> datetime | None:
    """Return the beginning of a day written as in a form; None for what is no day."""
    day = parse_date_str(text)
    return datetime.combine(day, time(), UTC) if day else None
