"""Audit records, the head of their chain, and what its checks found. Append-only by trigger."""

from django.db import models
from django.db.models import Q

from accounts.models import Account, User


class AuditKind(models.TextChoices):
    """What a record is about."""

    STAFF_ACTION = "staff_action", "Staff action"
    CONFIGURATION_CHANGE = "configuration_change", "Configuration change"
    RIGHTS_CHANGE = "rights_change", "Change of rights"
    ACCOUNT_CHANGE = "account_change", "Change of an account's state"
    API_KEY_CHANGE = "api_key_change", "Change of an API key"
    BALANCE_CHANGE = "balance_change", "Balance change"
    ORDER_REJECTED = "order_rejected", "Order rejected"
    ORDER_EXPIRED = "order_expired", "Order expired"
    LIQUIDATION = "liquidation", "Liquidation"
    ANSWER_SETTLED = "answer_settled", "Parked answer settled"
    PRICE_HALT = "price_halt", "Instrument halted by a quote"
    PRICE_SET = "price_set", "Mark price set by a person"
    KILL = "kill", "Open orders cancelled by a kill"


class AuditRecord(models.Model):
    """One captured fact; ``sequence`` and ``hash`` are empty until it is sealed.

    ``reference`` names the fact as kind:number (order:17). ``details`` hold text only, amounts to
    the last digit. ``occurred_at`` is the fact's own time, ``recorded_at`` the database's.
    Foreign keys are not enforced: a record outlives whatever it is about.
    """

    sequence = models.BigIntegerField(null=True, blank=True, unique=True)
    kind = models.CharField(max_length=24, choices=AuditKind.choices)
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    actor = models.ForeignKey(
        User,
        on_delete=models.DO_NOTHING,
        null=True,
        blank=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
        help_text="The staff user who did it, where the fact names one.",
    )
    user = models.ForeignKey(
        User,
        on_delete=models.DO_NOTHING,
        null=True,
        blank=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
        help_text="Whom it concerns.",
    )
    account = models.ForeignKey(
        Account,
        on_delete=models.DO_NOTHING,
        null=True,
        blank=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    reference = models.CharField(max_length=100)
    details = models.JSONField()
    previous_hash = models.CharField(max_length=64, blank=True)
    hash = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "audit trail"
        indexes = [
            models.Index(fields=["reference"], name="audit_by_reference"),
            models.Index(fields=["user", "-sequence"], name="audit_by_user"),
            models.Index(fields=["kind", "-sequence"], name="audit_by_kind"),
            models.Index(fields=["id"], condition=Q(sequence=None), name="audit_unsealed"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=AuditKind.values), name="audit_kind_known"),
            models.CheckConstraint(
                condition=Q(sequence=None, previous_hash="", hash="")
                | Q(
                    sequence__isnull=False,
                    sequence__gt=0,
                    previous_hash__regex="^[0-9a-f]{64}$",
                    hash__regex="^[0-9a-f]{64}$",
                ),
                name="audit_sealed_with_hashes",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.reference}"


class AuditHead(models.Model):
    """The single row that says where the chain ends, so that a cut-off end is noticed."""

    id = models.SmallAutoField(primary_key=True)
    sequence = models.BigIntegerField(default=0)
    hash = models.CharField(max_length=64)
    sealed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="audit_head_single_row")]

    def __str__(self) -> str:
        return f"{self.sequence}: {self.hash}"


class AuditCheck(models.Model):
    """What one verification of the audit trail found.

    ``facts`` are the last ids of the facts that it looked at, by kind: the next one goes on there.
    """

    checked_at = models.DateTimeField(db_index=True)
    seconds = models.FloatField(help_text="How long it took.")
    records = models.BigIntegerField(help_text="Sealed records up to the last one verified.")
    hash = models.CharField(max_length=64, help_text="Of the last of them.")
    is_full = models.BooleanField(
        default=True, help_text="Whether every record was verified, or those since the last check."
    )
    facts = models.JSONField(default=dict, blank=True)
    differences = models.PositiveIntegerField()
    details = models.JSONField(default=list, blank=True, help_text="The first of them.")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        differences = "1 difference" if self.differences == 1 else f"{self.differences} differences"
        return f"{differences} in {self.records:,} records"
