"""Park answers of a venue that do not fit their order, until staff settle them."""

from decimal import Decimal

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

LARGEST = Decimal("99999999999999999999.99999999")

GUARDS = """
CREATE TRIGGER parked_answer_is_kept BEFORE DELETE OR TRUNCATE ON trading_parkedanswer
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('a parked answer is history and never deleted');
CREATE TRIGGER parked_answer_is_fixed BEFORE UPDATE ON trading_parkedanswer
    FOR EACH ROW WHEN (
        OLD.settled_at IS NOT NULL AND OLD.* IS DISTINCT FROM NEW.*
        OR (OLD.id, OLD.order_id, OLD.complaint, OLD.answer, OLD.executed_quantity, OLD.parked_at)
        IS DISTINCT FROM
           (NEW.id, NEW.order_id, NEW.complaint, NEW.answer, NEW.executed_quantity, NEW.parked_at)
    )
    EXECUTE FUNCTION refuse_change('a parked answer is settled once and otherwise stays as it came');
"""
DROP_GUARDS = """
DROP TRIGGER parked_answer_is_fixed ON trading_parkedanswer;
DROP TRIGGER parked_answer_is_kept ON trading_parkedanswer;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_guards"),
        ("market", "0006_price_collar"),
        ("trading", "0006_first_answers"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ParkedAnswer",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("complaint", models.CharField(help_text="Why it was not booked.", max_length=200)),
                (
                    "answer",
                    models.JSONField(help_text="The order and its fills in the venue's words."),
                ),
                (
                    "executed_quantity",
                    models.DecimalField(
                        decimal_places=8,
                        help_text="What the venue says it filled, booked parts included.",
                        max_digits=28,
                    ),
                ),
                ("parked_at", models.DateTimeField()),
                (
                    "outcome",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("booked", "Booked as staff entered it"),
                            ("released", "Order ended without a further fill"),
                            ("adjusted", "Order had ended; balance adjusted"),
                            ("closed", "Order had ended; nothing to adjust"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        blank=True, help_text="Why staff settled it so.", max_length=200
                    ),
                ),
                ("settled_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.AddIndex(
            model_name="order",
            index=models.Index(
                condition=models.Q(
                    ("status__in", ["PENDING_NEW", "NEW", "PARTIALLY_FILLED"]),
                    ("venue", "binance_testnet"),
                ),
                fields=["status"],
                name="order_open_at_venue",
            ),
        ),
        migrations.AddIndex(
            model_name="order",
            index=models.Index(
                condition=models.Q(
                    ("reject_code__in", ["venue_rejected", "venue_settled"]),
                    ("status", "EXPIRED"),
                    ("venue", "binance_testnet"),
                ),
                fields=["updated_at"],
                name="order_ended_unseen_at_venue",
            ),
        ),
        migrations.AddField(
            model_name="parkedanswer",
            name="order",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="parked_answers",
                to="trading.order",
            ),
        ),
        migrations.AddField(
            model_name="parkedanswer",
            name="settled_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddConstraint(
            model_name="parkedanswer",
            constraint=models.UniqueConstraint(
                condition=models.Q(("settled_at", None)),
                fields=("order",),
                name="parked_answer_one_per_order",
            ),
        ),
        migrations.AddConstraint(
            model_name="parkedanswer",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("outcome", ""), ("reason", ""), ("settled_at", None), ("settled_by", None)
                    ),
                    models.Q(
                        ("outcome__in", ["booked", "released", "adjusted", "closed"]),
                        ("settled_at__isnull", False),
                        ("settled_by__isnull", False),
                        models.Q(("reason", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="parked_answer_settled_by_somebody",
            ),
        ),
        migrations.AddConstraint(
            model_name="parkedanswer",
            constraint=models.CheckConstraint(
                condition=models.Q(executed_quantity__lte=LARGEST),
                name="parked_answer_is_a_number",
            ),
        ),
        migrations.RunSQL(GUARDS, DROP_GUARDS),
    ]
