"""The journal that streams read. Triggers alone write it (``kpi/migrations/0007_stream.sql``)."""

from typing import Any

from django.db import models
from django.db.models import Func, Q


class TransactionId(models.BigIntegerField):
    """The number of a transaction, which PostgreSQL calls xid8: 64 bits, never used twice."""

    def db_type(self, connection: Any) -> str:
        return "xid8"


class StreamEvent(models.Model):
    """That something happened: which row of which channel, to whom, and in which transaction.

    Events rise in the order of commits per account, since an account's writers wait for its row.
    ``detail`` holds what the row cannot tell afterwards. None is kept for longer than
    STREAM_RETENTION_SECONDS.
    """

    xid = TransactionId(db_default=Func(function="pg_current_xact_id"))
    channel = models.CharField(max_length=12)
    account_id = models.BigIntegerField(null=True, blank=True)
    object_id = models.BigIntegerField(null=True, blank=True)
    detail = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Func(function="clock_timestamp"))

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["xid"], name="stream_event_by_transaction"),
            models.Index(
                fields=["account_id", "id"],
                condition=Q(account_id__isnull=False),
                name="stream_event_by_account",
            ),
            models.Index(
                fields=["id"], condition=Q(account_id=None), name="stream_event_for_everybody"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.object_id}"


class StreamHorizon(models.Model):
    """The single row that says up to which transaction events may have been forgotten."""

    id = models.SmallAutoField(primary_key=True)
    xid = TransactionId()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="stream_horizon_single_row")]

    def __str__(self) -> str:
        return str(self.xid)
