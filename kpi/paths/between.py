"""Which rows of an endless table may lie between two moments, by their ids; moments as SQL."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from market.kernel.endless import not_after, not_before


def ids_between(model: Any, time_field: str, since: datetime, until: datetime) -> tuple[int, int]:
    """Return the first id, and the first one beyond, of rows from ``since`` to ``until``."""
    rows = model.objects.all()
    bounded = rows.order_by("-id").annotate(
        low=not_before(rows, time_field, since), high=not_after(rows, time_field, until)
    )
    found: tuple[int, int] | None = bounded.values_list("low", "high").first()
    return found or (0, 0)


def sql_array(times: Iterable[datetime]) -> str:
    """Return times as the text of a timestamptz[]; as a list each of them would cost the driver."""
    return "{" + ",".join(each.isoformat() for each in times) + "}"
