"""Reads of the audit trail: sealed records, as the API and the exports show them."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from kpi.audit.chain import HASHED, portable
from kpi.audit.models import AuditRecord
from market.kernel.snapshot import consistent_read

Values = dict[str, Any]

#: Columns of a record as it leaves the exchange.
EXPORTED = (*HASHED, "hash")
CHUNK = 2_000


def sealed_records() -> QuerySet[AuditRecord]:
    """Return the records that have their place in the chain."""
    return AuditRecord.objects.filter(sequence__isnull=False)


def exported_records(
    *, since: datetime | None = None, until: datetime | None = None, after: int = 0
) -> Iterator[Values]:
    """Yield sealed records in order, those that occurred from ``since`` to before ``until``.

    Those after number ``after`` alone.
    """
    rows = sealed_records().filter(sequence__gt=after).order_by("sequence")
    if since is not None:
        rows = rows.filter(occurred_at__gte=since)
    if until is not None:
        rows = rows.filter(occurred_at__lt=until)
    return portable_values(rows)


def portable_values(rows: QuerySet[AuditRecord]) -> Iterator[Values]:
    """Yield records as an export writes them, however many there are, all of one moment."""
    # The cursor lives in one transaction, so that a pooler of connections does not lose it.
    with consistent_read():
        for values in rows.values(*EXPORTED).iterator(chunk_size=CHUNK):
            yield portable(values)
