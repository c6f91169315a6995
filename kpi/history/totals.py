"""How many orders, trades and liquidations there ever were, however many there are.

A reading keeps how many there are up to an id; the few rows after it are counted when somebody
asks. What it counts is final: it goes no further than to the last row that an earlier reading saw,
once every transaction that ran then has ended, for that alone could add a row of a smaller id (it
locks an account, which numbers it, before it draws an id), and it stops at an order that its venue
has yet to answer.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from django.db import connection
from django.db.models import Count, Max, QuerySet

from kpi.history.rows import LAST_IDS, REJECTED, CountedModel
from kpi.models import KpiReading
from trading.models import Order, OrderStatus, Venue

#: What a reading keeps, as JSON: counts by the names of LAST_IDS, and BEFORE.
RowCounts = Mapping[str, Any]
#: The transaction by which the last rows were seen: those that ran then are older than it.
BEFORE: Final = "before"
#: This transaction, which gets a number by it, and the oldest one that still runs.
TRANSACTIONS: Final = """
SELECT pg_current_xact_id()::text::bigint, pg_snapshot_xmin(pg_current_snapshot())::text::bigint
"""


@dataclass(frozen=True, slots=True)
class Counted:
    """How many rows a table has up to the id ``to``; ``seen`` is the last one that there was."""

    rows: int = 0
    rejected: int = 0
    to: int = 0
    seen: int = 0


def count_ever(model: CountedModel) -> Counted:
    """Return how many rows a table has by now."""
    [kept] = KpiReading.objects.values_list("row_counts", flat=True)
    return plus(counted(kept, model), model.objects.all(), model)


def counted(kept: RowCounts, model: CountedModel) -> Counted:
    return Counted(**kept.get(name_of(model), {}))


def name_of(model: CountedModel) -> str:
    return str(model._meta.model_name)


def plus(known: Counted, rows: QuerySet[Any], model: CountedModel) -> Counted:
    """Return what is known with those of ``rows`` that come after it."""
    counts = {"rows": Count("id"), "to": Max("id")}
    if model is Order:
        counts["rejected"] = Count("id", filter=REJECTED)
    found = rows.filter(id__gt=known.to).order_by().aggregate(**counts)
    return Counted(
        rows=known.rows + found["rows"],
        rejected=known.rejected + found.get("rejected", 0),
        to=found["to"] or known.to,
        seen=known.seen,
    )


def newest_ids() -> dict[CountedModel, int]:
    """Return the ids of the last rows that there are."""
    return {
        model: model.objects.aggregate(last=Max("id"))["last"] or 0 for model in LAST_IDS.values()
    }


def counted_further(kept: RowCounts, newest: Mapping[CountedModel, int]) -> RowCounts:
    """Return what a reading keeps next. ``newest`` was read before its transaction began."""
    with connection.cursor() as cursor:
        cursor.execute(TRANSACTIONS)
        [(own, oldest)] = cursor.fetchall()
    # A restored database may remember a transaction that its new server has yet to reach.
    if oldest < kept.get(BEFORE, 0) <= own:
        return kept
    further = {name_of(model): up_to_seen(kept, model, last) for model, last in newest.items()}
    return {BEFORE: own, **further}


def up_to_seen(kept: RowCounts, model: CountedModel, newest: int) -> dict[str, int]:
    """Return the count of the rows that are final by now, as JSON."""
    known = counted(kept, model)
    if known.seen > known.to:
        final = model.objects.filter(id__lte=known.seen)
        pending = first_pending() if model is Order else None
        if pending is not None:
            final = final.filter(id__lt=pending)
        known = plus(known, final, model)
    return asdict(known) | {"seen": newest}


def first_pending() -> int | None:
    """Return the id of the first order whose venue may still refuse it."""
    pending = Order.objects.filter(status=OrderStatus.PENDING_NEW, venue=Venue.BINANCE_TESTNET)
    return min(pending.order_by().values_list("id", flat=True), default=None)
