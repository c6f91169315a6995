"""What is watched and kept: heartbeats, KPI snapshots, ledger checks, alerts and their rules.

The models of the audit trail stand in ``kpi.audit``, those of the lab in ``kpi.lab``, those of the
stream in ``kpi.stream``.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from accounts.models import User
from kpi.audit.models import AuditCheck, AuditHead, AuditKind, AuditRecord
from kpi.lab.models import CellState, LabCell, LabStudy, LabStudyCell
from kpi.stream.models import StreamEvent, StreamHorizon
from market.kernel.amounts import AMOUNT_FIELD
from market.kernel.reasons import History
from market.models import Instrument

#: What Django and all others find here, though it stands in modules of its own.
__all__ = [
    "AuditCheck",
    "AuditHead",
    "AuditKind",
    "AuditRecord",
    "CellState",
    "LabCell",
    "LabStudy",
    "LabStudyCell",
    "StreamEvent",
    "StreamHorizon",
]


class Heartbeat(models.Model):
    """A beat that the Celery worker really wrote; beats that are missing are downtime."""

    beat_at = models.DateTimeField(unique=True)

    class Meta:
        ordering = ["-beat_at"]

    def __str__(self) -> str:
        return f"Heartbeat of {self.beat_at:%Y-%m-%d %H:%M:%S}"


class KpiSnapshot(models.Model):
    """The KPIs at one moment; counts are increases over the ``seconds`` before it.

    Increases add up and levels do not, so that any number of snapshots can be merged into one.
    ``latency_counts`` holds, for each bound of LATENCY_BOUNDS, how many of the requests took at
    most that long. Amounts in USDT.
    """

    slot = models.DateTimeField(
        unique=True, help_text="The multiple of the snapshot interval at or before the moment."
    )
    seconds = models.FloatField(help_text="What the counts cover; 0 in the first snapshot.")
    requests = models.BigIntegerField(default=0)
    errors = models.BigIntegerField(default=0, help_text="Answers of 400 and more.")
    server_errors = models.BigIntegerField(default=0, help_text="Answers of 500 and more.")
    latency_seconds = models.FloatField(default=0, help_text="Sum over the requests.")
    latency_counts = ArrayField(models.BigIntegerField(), default=list, blank=True)
    auth_failures = models.BigIntegerField(default=0)
    rate_limit_hits = models.BigIntegerField(default=0)
    cache_outages = models.BigIntegerField(default=0)
    orders_accepted = models.BigIntegerField(default=0, help_text="Close-out orders included.")
    orders_rejected = models.BigIntegerField(default=0)
    rejections = models.JSONField(default=dict, blank=True, help_text="Rejected orders by code.")
    trades = models.BigIntegerField(default=0)
    liquidations = models.BigIntegerField(default=0, help_text="Close-outs of accounts.")
    global_exposure = models.DecimalField(**AMOUNT_FIELD)
    global_exposure_threshold = models.DecimalField(**AMOUNT_FIELD)
    insurance_fund = models.DecimalField(**AMOUNT_FIELD)
    bad_debt = models.DecimalField(**AMOUNT_FIELD)
    open_positions = models.BigIntegerField()
    accounts_near_liquidation = models.BigIntegerField(
        null=True, blank=True, help_text="Unknown while there are too many positions to look at."
    )
    effective_leverage_p50 = models.FloatField(
        null=True, blank=True, help_text="Notional of an account's positions ÷ its equity, median."
    )
    effective_leverage_p95 = models.FloatField(null=True, blank=True)
    effective_leverage_p50_by_tier = models.JSONField(db_default={}, blank=True)
    effective_leverage_p95_by_tier = models.JSONField(db_default={}, blank=True)
    uptime = models.FloatField(help_text="Share of the heartbeats due that were written.")
    mark_age_seconds = models.FloatField(
        null=True, blank=True, help_text="Time since the oldest mark price was set."
    )
    market_time = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Of the latest recorded candle that a mark comes from, where a replay set one.",
    )

    class Meta:
        ordering = ["-slot"]
        verbose_name = "KPI snapshot"
        # A day has thousands of snapshots: what is added up of them is read from here alone.
        indexes = [
            models.Index(
                fields=["slot"],
                include=[
                    "seconds",
                    "requests",
                    "errors",
                    "server_errors",
                    "latency_seconds",
                    "latency_counts",
                    "auth_failures",
                    "rate_limit_hits",
                    "cache_outages",
                    "orders_accepted",
                    "orders_rejected",
                    "trades",
                    "liquidations",
                    "market_time",
                ],
                name="kpi_snapshot_counts",
            )
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    seconds__gte=0,
                    requests__gte=0,
                    errors__gte=0,
                    server_errors__gte=0,
                    latency_seconds__gte=0,
                    auth_failures__gte=0,
                    rate_limit_hits__gte=0,
                    cache_outages__gte=0,
                    orders_accepted__gte=0,
                    orders_rejected__gte=0,
                    trades__gte=0,
                    liquidations__gte=0,
                ),
                name="kpi_snapshot_counts_not_negative",
            )
        ]

    def __str__(self) -> str:
        return f"Snapshot of {self.slot:%Y-%m-%d %H:%M:%S}"


class InstrumentSnapshot(models.Model):
    """What was held and ordered of an instrument at the moment of a snapshot, in USDT."""

    snapshot = models.ForeignKey(
        KpiSnapshot,
        on_delete=models.CASCADE,
        to_field="slot",
        db_column="slot",
        related_name="instruments",
        db_index=False,
    )
    instrument = models.ForeignKey(
        Instrument, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    mark_price = models.DecimalField(**AMOUNT_FIELD)
    open_interest_long = models.DecimalField(**AMOUNT_FIELD)
    open_interest_short = models.DecimalField(**AMOUNT_FIELD)
    order_notional = models.DecimalField(**AMOUNT_FIELD)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["instrument", "snapshot"], name="instrument_snapshot_once"
            )
        ]
        indexes = [models.Index(fields=["snapshot"], name="instrument_snapshot_by_slot")]

    def __str__(self) -> str:
        return f"{self.instrument} at {self.snapshot_id}"


class KpiReading(models.Model):
    """The single row that the next snapshot counts from; its lock lets one be taken at a time.

    ``counters`` holds by source (``kpi.history.counters.source_name``) its counters as they stood,
    ``row_counts`` how many rows there ever were (``kpi.history.totals``), ``tier_counts`` what was
    counted of the accounts of each tier, and when (``kpi.leverage.tier_counts``).
    """

    id = models.SmallAutoField(primary_key=True)
    read_at = models.DateTimeField(null=True, blank=True)
    counters = models.JSONField(default=dict)
    row_counts = models.JSONField(default=dict, db_default={})
    tier_counts = models.JSONField(default=dict, db_default={})
    last_order_id = models.BigIntegerField(default=0)
    last_trade_id = models.BigIntegerField(default=0)
    last_liquidation_id = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="kpi_reading_single_row")]

    def __str__(self) -> str:
        return str(self.read_at)


class LedgerCheck(models.Model):
    """What one recomputation of the ledger found."""

    checked_at = models.DateTimeField(db_index=True)
    seconds = models.FloatField(help_text="How long it took.")
    differences = models.PositiveIntegerField()
    details = models.JSONField(default=list, blank=True, help_text="The first of them.")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"Check of {self.checked_at:%Y-%m-%d %H:%M:%S}"


class Severity(models.TextChoices):
    INFO = "info", "Info"
    WARNING = "warning", "Warning"
    CRITICAL = "critical", "Critical"


class AlertRule(models.Model):
    """When to raise an alert: a measure above a threshold. ``kind`` names the measure."""

    kind = models.CharField(max_length=40, help_text="What is measured.")
    threshold = models.FloatField(help_text="The alert opens above it, in the measure's unit.")
    window_seconds = models.PositiveIntegerField(
        default=300, help_text="What is counted: the last so many seconds. Levels ignore it."
    )
    severity = models.CharField(max_length=10, choices=Severity.choices, default=Severity.WARNING)
    enabled = models.BooleanField(default=True)

    history = History()

    class Meta:
        ordering = ["kind", "threshold"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "severity"], name="alert_rule_once_per_severity"
            ),
            models.CheckConstraint(
                condition=Q(threshold__gte=0, window_seconds__gte=60, window_seconds__lte=86_400),
                name="alert_rule_in_range",
                violation_error_message="The threshold is not negative, and the window is from 60 "
                "to 86,400 seconds.",
            ),
            models.CheckConstraint(
                condition=Q(severity__in=Severity.values), name="alert_rule_severity_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind.replace('_', ' ')} > {self.threshold:g}"


class Alert(models.Model):
    """A rule's threshold was exceeded, from ``opened_at`` until ``resolved_at``.

    ``threshold`` and ``severity`` are the rule's when it opened. Of a rule about events each
    ``subject`` gets one alert, ever.
    """

    rule = models.ForeignKey(AlertRule, on_delete=models.PROTECT, related_name="alerts")
    subject = models.CharField(
        max_length=60, blank=True, help_text="The event that it is about, if about a single one."
    )
    severity = models.CharField(max_length=10, choices=Severity.choices)
    threshold = models.FloatField()
    value = models.FloatField(help_text="When it was last seen above the threshold.")
    peak = models.FloatField(help_text="The highest value so far.")
    opened_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True, blank=True)
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering = ["-id"]
        indexes = [
            # Few are open, of however many there were.
            models.Index(fields=["rule"], condition=Q(resolved_at=None), name="alert_open"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["rule"],
                condition=Q(resolved_at=None, subject=""),
                name="alert_one_open_per_rule",
            ),
            models.UniqueConstraint(
                fields=["rule", "subject"],
                condition=~Q(subject=""),
                name="alert_once_per_event",
            ),
            models.CheckConstraint(
                condition=Q(acknowledged_at=None, acknowledged_by=None)
                | Q(acknowledged_at__isnull=False, acknowledged_by__isnull=False),
                name="alert_acknowledged_by_somebody",
            ),
        ]

    def __str__(self) -> str:
        return f"Alert {self.pk}: {self.rule}"


class DeliveryStatus(models.TextChoices):
    PENDING = "pending", "Pending"
    DELIVERED = "delivered", "Delivered"
    FAILED = "failed", "Given up"


class AlertDelivery(models.Model):
    """One message to the webhook: ``event`` is opened or resolved. Kept until it has arrived.

    ``next_attempt_at`` is when to try, and while somebody tries, when the attempt counts as lost.
    """

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="deliveries")
    event = models.CharField(max_length=10)
    body = models.JSONField()
    status = models.CharField(
        max_length=10, choices=DeliveryStatus.choices, default=DeliveryStatus.PENDING
    )
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    response_status = models.PositiveSmallIntegerField(null=True, blank=True)
    error = models.CharField(max_length=200, blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "alert deliveries"
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(status=DeliveryStatus.PENDING),
                name="alert_delivery_due",
            )
        ]
        constraints = [
            models.UniqueConstraint(fields=["alert", "event"], name="alert_delivery_once"),
            models.CheckConstraint(
                condition=Q(status__in=DeliveryStatus.values), name="alert_delivery_status_known"
            ),
        ]

    def __str__(self) -> str:
        return f"Delivery {self.pk}: {self.event}"


class Forgotten(models.Model):
    """Until when rows of a table may be forgotten for their age; later ones are all there."""

    table = models.CharField(max_length=63, primary_key=True)
    until = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.table} until {self.until}"
