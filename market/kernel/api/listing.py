"""What the list endpoints share: filters by owner, symbol and time from the query string."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from rest_framework import serializers

from market.kernel.api.asked import PageQuery
from market.kernel.api.pagination import LARGEST_ID
from market.kernel.api.schema import errors
from market.kernel.endless import not_after, not_before
from market.kernel.errors import InvalidCursor

LIST_ERRORS = {
    **errors(
        400,
        validation_error="The request is not valid; see errors.",
        invalid_cursor=InvalidCursor.detail,
    ),
    **errors(401, 403, 429),
}

M = TypeVar("M", bound=Model)


class ListQuery(PageQuery):
    """Filters of a list; subclasses add their own."""

    user_id = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=LARGEST_ID,
        help_text="Yours, as without it; staff may name anybody, and see everybody without it.",
    )
    symbol = serializers.CharField(required=False, max_length=20, help_text="In any case.")
    since = serializers.DateTimeField(required=False, help_text="From this time on, ISO 8601.")
    until = serializers.DateTimeField(required=False, help_text="Before this time, ISO 8601.")


def filter_by(
    rows: QuerySet[M],
    *,
    time_field: str,
    symbol_field: str = "",
    known_as: Callable[[str], Any] = str,
    keys_rise: bool = True,
    symbol: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    **exact: Any,
) -> QuerySet[M]:
    """Return the rows that match the filters which are not None.

    ``known_as`` gives for a symbol what ``symbol_field`` holds. Times are found by key as
    well, unless keys do not rise with them.
    """
    conditions: dict[str, Any] = {
        symbol_field: known_as(symbol.upper()) if symbol else None,
        f"{time_field}__gte": since,
        f"{time_field}__lt": until,
        "pk__gte": not_before(rows, time_field, since) if since and keys_rise else None,
        "pk__lt": not_after(rows, time_field, until) if until and keys_rise else None,
        **exact,
    }
    return rows.filter(**{name: value for name, value in conditions.items() if value is not None})
