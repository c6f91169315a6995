"""A day's part of the audit trail: its records, and where the chain stood before and after it."""

from collections.abc import Iterator
from typing import Any, Final

from django.db.models import Q, QuerySet

from kpi.audit.chain import GENESIS, canonical
from kpi.audit.models import AuditRecord
from kpi.audit.selectors import portable_values, sealed_records
from kpi.bundles.day import Day
from kpi.bundles.runs import Runs

FILE: Final = "audit.jsonl"
WHY: Final = "Every audit record that was written on the day, or is about a fact of it."


def records_of(day: Day, before: int, after: int) -> QuerySet[AuditRecord]:
    """Return the records that were written on the day or whose facts are of it, in their order.

    A fact is recorded when it is committed, so that both are the same but around midnight; of a
    past that was made up, the records are written later than their facts. Of the chain between the
    heads of ``before`` and ``after`` the day none is left out, though its clock was ahead.
    """
    of_day = Q(occurred_at__gte=day.start, occurred_at__lt=day.end) | Q(
        recorded_at__gte=day.start, recorded_at__lt=day.end
    )
    in_chain = Q(sequence__gt=before, sequence__lte=after)
    return sealed_records().filter(of_day | in_chain).order_by("sequence")


class Trail:
    """The records of a day as lines; when they are read, it knows what the manifest tells."""

    def __init__(self, day: Day) -> None:
        self.day = day
        self.runs = Runs()
        self.before, self.after = head_before(day), head_before(day.next)

    def lines(self) -> Iterator[str]:
        """Yield a line of canonical JSON per record."""
        records = records_of(self.day, self.before["sequence"], self.after["sequence"])
        for record in portable_values(records):
            self.runs.take(record["sequence"])
            yield canonical(record) + "\n"

    def facts(self) -> dict[str, Any]:
        """Return how many records there are, in which runs of the chain, and its heads."""
        return {
            "records": self.runs.records,
            "spans": self.runs.spans,
            "before": self.before,
            "after": self.after,
        }


def head_before(day: Day) -> dict[str, Any]:
    """Return the end of the chain when a day began, by the records written until then."""
    last = (
        sealed_records()
        .filter(recorded_at__lt=day.start)
        .order_by("-sequence")
        .values("sequence", "hash")
        .first()
    )
    return {**last} if last else {"sequence": 0, "hash": GENESIS}
