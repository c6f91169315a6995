"""Why staff do something: asked by every service that changes what governs others, kept whole.

A history row keeps it beside what changed, an audit record gets it from there. Where a fact has no
history of its own, ``stated`` tells the audit trail's triggers.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

from django.db import connection, models, transaction
from simple_history.manager import HistoryManager
from simple_history.models import HistoricalRecords

from market.kernel.errors import ReasonRequired, ReasonTooLong

#: As long as the reason of a transfer may be. More is refused, never cut.
LONGEST_REASON: Final = 200

STATE: Final = (
    "SELECT set_config('exchange.reason', %s, true), set_config('exchange.actor', %s, true)"
)


def checked_reason(reason: str) -> str:
    """Return a reason without the blanks around it. Raises ReasonRequired, ReasonTooLong."""
    said = reason.strip()
    if not any(one.isprintable() and not one.isspace() for one in said):
        raise ReasonRequired
    if len(said) > LONGEST_REASON:
        raise ReasonTooLong(f"A reason has {LONGEST_REASON} characters at most.")
    return said


@contextmanager
def stated(reason: str, *, by: models.Model | None = None) -> Iterator[None]:
    """Tell the audit trail why, and who where somebody is known, of what the block changes.

    All of it is one transaction. Raises as ``checked_reason`` does.
    """
    said, actor = checked_reason(reason), "" if by is None else str(by.pk)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(STATE, [said, actor])
        yield
        cursor.execute(STATE, ["", ""])


class ManagerMadeOnce(HistoryManager):
    """A manager of histories whose class is made once, not each time that a history is named."""

    @classmethod
    @cache
    def from_queryset(cls, queryset_class: Any, class_name: str | None = None) -> Any:
        return super().from_queryset(queryset_class, class_name)


class History(HistoricalRecords):
    """The history of a row: one more row for each change of what it keeps, its reason uncut.

    A sign-in or a new password changes nothing of that and leaves none.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(history_manager=ManagerMadeOnce, **options)

    def _get_history_change_reason_field(self) -> Any:
        return models.TextField(null=True)

    def post_save(
        self, instance: models.Model, created: bool, using: str | None = None, **options: Any
    ) -> None:
        if created or self.is_changed(instance, options.get("update_fields")):
            super().post_save(instance, created, using=using, **options)

    def is_changed(self, row: models.Model, written: Any) -> bool:
        """Tell whether a save may have changed what the history keeps."""
        kept = self.fields_included(row)
        if written is not None:
            return any(field.name in written or field.attname in written for field in kept)
        past = getattr(row, self.manager_name).first()
        return past is None or any(
            getattr(past, field.attname) != getattr(row, field.attname) for field in kept
        )
