"""Proof of life and history: heartbeats, and the KPIs as they were every few seconds."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from market.amounts import AMOUNT_FIELD
from market.models import Instrument


class Heartbeat(models.Model):
    """A beat that the Celery worker really wrote; beats that are missing are downtime."""

    beat_at = models.DateTimeField(unique=True)

    class Meta:
        ordering = ["-beat_at"]

    def __str__(self) -> str:
        return self.beat_at.isoformat()


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
    uptime = models.FloatField(help_text="Share of the heartbeats due that were written.")
    mark_age_seconds = models.FloatField(
        null=True, blank=True, help_text="Time since the oldest mark price was set."
    )

    class Meta:
        ordering = ["-slot"]
        verbose_name = "KPI snapshot"
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
        return self.slot.isoformat()


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

    ``counters`` holds by source (a metrics directory or a web server) its counters as they stood.
    """

    id = models.SmallAutoField(primary_key=True)
    read_at = models.DateTimeField(null=True, blank=True)
    counters = models.JSONField(default=dict)
    last_order_id = models.BigIntegerField(default=0)
    last_trade_id = models.BigIntegerField(default=0)
    last_liquidation_id = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="kpi_reading_single_row")]

    def __str__(self) -> str:
        return str(self.read_at)
