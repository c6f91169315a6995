"""Heartbeats, checks, snapshots, alerts and the audit trail."""

import django.contrib.postgres.fields
from django.conf import settings
from django.db import migrations, models
from django.db.models import Index, Q, UniqueConstraint

from market.migrations._shorthand import (
    ID,
    ID_COPY,
    SINGLE_ID,
    amount,
    check,
    history,
    known,
    refers,
)

SEVERITIES = [("info", "Info"), ("warning", "Warning"), ("critical", "Critical")]
KINDS = [
    ("staff_action", "Staff action"),
    ("configuration_change", "Configuration change"),
    ("rights_change", "Change of rights"),
    ("account_change", "Account suspended or resumed"),
    ("api_key_change", "API key issued or revoked"),
    ("balance_change", "Balance change"),
    ("order_rejected", "Order rejected"),
    ("order_expired", "Order expired"),
    ("liquidation", "Liquidation"),
    ("answer_settled", "Parked answer settled"),
    ("price_halt", "Instrument halted by a quote"),
    ("price_set", "Mark price set by a person"),
]
DELIVERIES = [("pending", "Pending"), ("delivered", "Delivered"), ("failed", "Given up")]
ALERT_RULE_COLUMNS = [
    ("kind", models.CharField(help_text="What is measured.", max_length=40)),
    ("threshold", models.FloatField(help_text="The alert opens above it, in the measure's unit.")),
    (
        "window_seconds",
        models.PositiveIntegerField(
            default=300, help_text="What is counted: the last so many seconds. Levels ignore it."
        ),
    ),
    ("severity", models.CharField(choices=SEVERITIES, default="warning", max_length=10)),
    ("enabled", models.BooleanField(default=True)),
]


class Migration(migrations.Migration):
    initial = True
    dependencies = [
        ("accounts", "0001_tables"),
        ("market", "0001_tables"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.CreateModel(
            name="AuditCheck",
            fields=[
                ID,
                ("checked_at", models.DateTimeField(db_index=True)),
                ("seconds", models.FloatField(help_text="How long it took.")),
                (
                    "records",
                    models.BigIntegerField(help_text="Sealed records up to the last one verified."),
                ),
                ("hash", models.CharField(help_text="Of the last of them.", max_length=64)),
                (
                    "is_full",
                    models.BooleanField(
                        default=True,
                        help_text="Whether every record was verified, or those since the last check.",
                    ),
                ),
                ("facts", models.JSONField(blank=True, default=dict)),
                ("differences", models.PositiveIntegerField()),
                (
                    "details",
                    models.JSONField(blank=True, default=list, help_text="The first of them."),
                ),
            ],
            options={"ordering": ["-id"]},
        ),
        migrations.CreateModel(
            name="Heartbeat",
            fields=[ID, ("beat_at", models.DateTimeField(unique=True))],
            options={"ordering": ["-beat_at"]},
        ),
        migrations.CreateModel(
            name="LedgerCheck",
            fields=[
                ID,
                ("checked_at", models.DateTimeField(db_index=True)),
                ("seconds", models.FloatField(help_text="How long it took.")),
                ("differences", models.PositiveIntegerField()),
                (
                    "details",
                    models.JSONField(blank=True, default=list, help_text="The first of them."),
                ),
            ],
            options={"ordering": ["-id"]},
        ),
        migrations.CreateModel(
            name="AlertRule",
            fields=[ID, *ALERT_RULE_COLUMNS],
            options={
                "ordering": ["kind", "threshold"],
                "constraints": [
                    UniqueConstraint(
                        fields=("kind", "severity"), name="alert_rule_once_per_severity"
                    ),
                    check(
                        "alert_rule_in_range",
                        Q(threshold__gte=0, window_seconds__gte=60, window_seconds__lte=86400),
                        "The threshold is not negative, and the window is from 60 to 86,400 seconds.",
                    ),
                    check("alert_rule_severity_known", known("severity", SEVERITIES)),
                ],
            },
        ),
        history(
            "HistoricalAlertRule",
            "historical alert rule",
            "historical alert rules",
            [ID_COPY, *ALERT_RULE_COLUMNS],
        ),
        migrations.CreateModel(
            name="Alert",
            fields=[
                ID,
                (
                    "subject",
                    models.CharField(
                        blank=True,
                        help_text="The event that it is about, if about a single one.",
                        max_length=60,
                    ),
                ),
                ("severity", models.CharField(choices=SEVERITIES, max_length=10)),
                ("threshold", models.FloatField()),
                (
                    "value",
                    models.FloatField(help_text="When it was last seen above the threshold."),
                ),
                ("peak", models.FloatField(help_text="The highest value so far.")),
                ("opened_at", models.DateTimeField()),
                ("last_seen_at", models.DateTimeField()),
                ("resolved_at", models.DateTimeField(blank=True, null=True)),
                ("acknowledged_at", models.DateTimeField(blank=True, null=True)),
                ("acknowledged_by", refers(settings.AUTH_USER_MODEL, "+", blank=True, null=True)),
                ("rule", refers("kpi.alertrule", "alerts")),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    UniqueConstraint(
                        condition=Q(resolved_at=None, subject=""),
                        fields=("rule",),
                        name="alert_one_open_per_rule",
                    ),
                    UniqueConstraint(
                        condition=~Q(subject=""),
                        fields=("rule", "subject"),
                        name="alert_once_per_event",
                    ),
                    check(
                        "alert_acknowledged_by_somebody",
                        Q(acknowledged_at=None, acknowledged_by=None)
                        | Q(acknowledged_at__isnull=False, acknowledged_by__isnull=False),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="AuditHead",
            fields=[
                SINGLE_ID,
                ("sequence", models.BigIntegerField(default=0)),
                ("hash", models.CharField(max_length=64)),
                ("sealed_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={"constraints": [check("audit_head_single_row", Q(id=1))]},
        ),
        migrations.CreateModel(
            name="AuditRecord",
            fields=[
                ID,
                ("sequence", models.BigIntegerField(blank=True, null=True, unique=True)),
                ("kind", models.CharField(choices=KINDS, max_length=24)),
                ("occurred_at", models.DateTimeField()),
                ("recorded_at", models.DateTimeField()),
                ("reference", models.CharField(max_length=100)),
                ("details", models.JSONField()),
                ("previous_hash", models.CharField(blank=True, max_length=64)),
                ("hash", models.CharField(blank=True, max_length=64)),
                (
                    "account",
                    models.ForeignKey(
                        "accounts.account",
                        models.DO_NOTHING,
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        related_name="+",
                    ),
                ),
                (
                    "actor",
                    models.ForeignKey(
                        settings.AUTH_USER_MODEL,
                        models.DO_NOTHING,
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        help_text="The staff user who did it, where the fact names one.",
                        null=True,
                        related_name="+",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        settings.AUTH_USER_MODEL,
                        models.DO_NOTHING,
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        help_text="Whom it concerns.",
                        null=True,
                        related_name="+",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [
                    Index(fields=["reference"], name="audit_by_reference"),
                    Index(fields=["user", "-sequence"], name="audit_by_user"),
                    Index(fields=["kind", "-sequence"], name="audit_by_kind"),
                    Index(condition=Q(sequence=None), fields=["id"], name="audit_unsealed"),
                ],
                "constraints": [
                    check("audit_kind_known", known("kind", KINDS)),
                    check(
                        "audit_sealed_with_hashes",
                        Q(hash="", previous_hash="", sequence=None)
                        | Q(
                            hash__regex="^[0-9a-f]{64}$",
                            previous_hash__regex="^[0-9a-f]{64}$",
                            sequence__gt=0,
                            sequence__isnull=False,
                        ),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="KpiReading",
            fields=[
                SINGLE_ID,
                ("read_at", models.DateTimeField(blank=True, null=True)),
                ("counters", models.JSONField(default=dict)),
                ("last_order_id", models.BigIntegerField(default=0)),
                ("last_trade_id", models.BigIntegerField(default=0)),
                ("last_liquidation_id", models.BigIntegerField(default=0)),
            ],
            options={"constraints": [check("kpi_reading_single_row", Q(id=1))]},
        ),
        migrations.CreateModel(
            name="KpiSnapshot",
            fields=[
                ID,
                (
                    "slot",
                    models.DateTimeField(
                        help_text="The multiple of the snapshot interval at or before the moment.",
                        unique=True,
                    ),
                ),
                (
                    "seconds",
                    models.FloatField(help_text="What the counts cover; 0 in the first snapshot."),
                ),
                ("requests", models.BigIntegerField(default=0)),
                ("errors", models.BigIntegerField(default=0, help_text="Answers of 400 and more.")),
                (
                    "server_errors",
                    models.BigIntegerField(default=0, help_text="Answers of 500 and more."),
                ),
                (
                    "latency_seconds",
                    models.FloatField(default=0, help_text="Sum over the requests."),
                ),
                (
                    "latency_counts",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BigIntegerField(), blank=True, default=list, size=None
                    ),
                ),
                ("auth_failures", models.BigIntegerField(default=0)),
                ("rate_limit_hits", models.BigIntegerField(default=0)),
                ("cache_outages", models.BigIntegerField(default=0)),
                (
                    "orders_accepted",
                    models.BigIntegerField(default=0, help_text="Close-out orders included."),
                ),
                ("orders_rejected", models.BigIntegerField(default=0)),
                (
                    "rejections",
                    models.JSONField(
                        blank=True, default=dict, help_text="Rejected orders by code."
                    ),
                ),
                ("trades", models.BigIntegerField(default=0)),
                (
                    "liquidations",
                    models.BigIntegerField(default=0, help_text="Close-outs of accounts."),
                ),
                ("global_exposure", amount()),
                ("global_exposure_threshold", amount()),
                ("insurance_fund", amount()),
                ("bad_debt", amount()),
                ("open_positions", models.BigIntegerField()),
                (
                    "accounts_near_liquidation",
                    models.BigIntegerField(
                        blank=True,
                        help_text="Unknown while there are too many positions to look at.",
                        null=True,
                    ),
                ),
                (
                    "uptime",
                    models.FloatField(help_text="Share of the heartbeats due that were written."),
                ),
                (
                    "mark_age_seconds",
                    models.FloatField(
                        blank=True, help_text="Time since the oldest mark price was set.", null=True
                    ),
                ),
            ],
            options={
                "verbose_name": "KPI snapshot",
                "ordering": ["-slot"],
                "constraints": [
                    check(
                        "kpi_snapshot_counts_not_negative",
                        Q(
                            auth_failures__gte=0,
                            cache_outages__gte=0,
                            errors__gte=0,
                            latency_seconds__gte=0,
                            liquidations__gte=0,
                            orders_accepted__gte=0,
                            orders_rejected__gte=0,
                            rate_limit_hits__gte=0,
                            requests__gte=0,
                            seconds__gte=0,
                            server_errors__gte=0,
                            trades__gte=0,
                        ),
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="InstrumentSnapshot",
            fields=[
                ID,
                ("mark_price", amount()),
                ("open_interest_long", amount()),
                ("open_interest_short", amount()),
                ("order_notional", amount()),
                ("instrument", refers("market.instrument", "+", db_index=False)),
                (
                    "snapshot",
                    models.ForeignKey(
                        "kpi.kpisnapshot",
                        models.CASCADE,
                        db_column="slot",
                        db_index=False,
                        related_name="instruments",
                        to_field="slot",
                    ),
                ),
            ],
            options={
                "indexes": [Index(fields=["snapshot"], name="instrument_snapshot_by_slot")],
                "constraints": [
                    UniqueConstraint(
                        fields=("instrument", "snapshot"), name="instrument_snapshot_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="AlertDelivery",
            fields=[
                ID,
                ("event", models.CharField(max_length=10)),
                ("body", models.JSONField()),
                ("status", models.CharField(choices=DELIVERIES, default="pending", max_length=10)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("next_attempt_at", models.DateTimeField()),
                ("response_status", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("error", models.CharField(blank=True, max_length=200)),
                ("delivered_at", models.DateTimeField(blank=True, null=True)),
                (
                    "alert",
                    models.ForeignKey("kpi.alert", models.CASCADE, related_name="deliveries"),
                ),
            ],
            options={
                "verbose_name_plural": "alert deliveries",
                "ordering": ["-id"],
                "indexes": [
                    Index(
                        condition=Q(status="pending"),
                        fields=["next_attempt_at"],
                        name="alert_delivery_due",
                    )
                ],
                "constraints": [
                    UniqueConstraint(fields=("alert", "event"), name="alert_delivery_once"),
                    check("alert_delivery_status_known", known("status", DELIVERIES)),
                ],
            },
        ),
    ]
