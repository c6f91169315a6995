"""What each change of a row was: the field, what it held before and after, as staff read it.

Read from the histories that ``market.kernel.reasons.History`` keeps.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import Model
from django.utils.text import capfirst

from market.kernel.console.figures import NOTHING, grouped


class Changed(NamedTuple):
    """A field and what it held; ``before`` is empty in a row's first record."""

    field: str
    before: str
    after: str


def changes_of(record: Any, past: Any | None) -> list[Changed]:
    """Return what a record of a history changed; all of the row where ``past`` is None."""
    kept = [field for field in record.tracked_fields if not field.primary_key]
    return [
        Changed(
            capfirst(str(field.verbose_name)),
            "" if past is None else shown(past, field),
            shown(record, field),
        )
        for field in kept
        if past is None or getattr(past, field.attname) != getattr(record, field.attname)
    ]


def state_of(record: Any, row: Model) -> list[Changed]:
    """Return all that a row held after a record, ``before``, and holds now, ``after``."""
    return [
        Changed(capfirst(str(field.verbose_name)), shown(record, field), shown(row, field))
        for field in record.tracked_fields
        if not field.primary_key
    ]


def shown(row: Model, field: Any) -> str:
    """Write what a row holds in a field."""
    value = getattr(row, field.attname)
    if field.choices:
        value = dict(field.flatchoices).get(value, value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return grouped(value)
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return NOTHING if value is None or value == "" else str(value)


def tell_changes(records: Sequence[Any]) -> None:
    """Give each record of a page, newest first, its ``changes`` against the one before it."""
    if not records:
        return
    for record, past in zip(records, [*records[1:], record_before(records[-1])], strict=True):
        record.changes = changes_of(record, past)


def record_before(record: Any) -> Any | None:
    """Return the record of the same row that comes before one."""
    key = record.instance_type._meta.pk.attname
    of_row = type(record).objects.filter(**{key: getattr(record, key)})
    older = of_row.filter(history_date__lt=record.history_date) | of_row.filter(
        history_date=record.history_date, history_id__lt=record.history_id
    )
    found: Any | None = older.order_by("-history_date", "-history_id").first()
    return found
