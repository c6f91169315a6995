"""The rows that were stored since the last reading, counted by id.

Transactions commit out of order, so that a row is counted once it is older than SETTLING.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final

from django.db.models import Case, Count, F, Q, Value, When

from kpi.models import KpiReading
from trading.models import Liquidation, Order, OrderStatus, Trade

CountedModel = type[Order] | type[Trade] | type[Liquidation]

#: What is counted, by the columns of the reading that hold the last ids.
LAST_IDS: Final[Mapping[str, CountedModel]] = {
    "last_order_id": Order,
    "last_trade_id": Trade,
    "last_liquidation_id": Liquidation,
}
#: The orders that count as rejected, in totals and in windows.
REJECTED: Final = Q(status=OrderStatus.REJECTED)
SETTLING: Final = timedelta(seconds=5)


@dataclass(frozen=True)
class NewRows:
    """The rows after those of a reading, up to the ids of ``until`` if there are any."""

    reading: KpiReading
    until: Mapping[str, int] = field(default_factory=dict)

    def count(self, model: CountedModel) -> int:
        return self._of(model).count()

    @property
    def accepted(self) -> int:
        return self._orders.get("", 0)

    @property
    def rejections(self) -> dict[str, int]:
        """The rejected orders by code; an accepted one that expired has a code too."""
        return {code: orders for code, orders in self._orders.items() if code}

    @cached_property
    def _orders(self) -> dict[str, int]:
        code = Case(When(REJECTED, then=F("reject_code")), default=Value(""))
        return dict(self._of(Order).order_by().values_list(code).annotate(Count("id")))

    def _of(self, model: CountedModel) -> Any:
        [column] = [column for column, counted in LAST_IDS.items() if counted is model]
        rows = model.objects.filter(id__gt=getattr(self.reading, column))
        return rows.filter(id__lte=self.until[column]) if self.until else rows


def settled_ids(reading: KpiReading, *, now: datetime) -> dict[str, int]:
    """Return the ids to count up to, by the reading's columns; none goes back."""
    return {
        column: max(last_settled(model, now), getattr(reading, column))
        for column, model in LAST_IDS.items()
    }


def last_settled(model: CountedModel, now: datetime) -> int:
    """Return the id of the last row that is older than SETTLING; 0 without any."""
    settled = model.objects.filter(created_at__lt=now - SETTLING).order_by("-id")
    return settled.values_list("id", flat=True).first() or 0
