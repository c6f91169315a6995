"""Keep the prices that persons set, for good."""

from decimal import Decimal

import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.lookups
from django.conf import settings
from django.db import migrations, models

GUARD = """
CREATE TRIGGER manual_price_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON trading_manualprice
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('a price that a person set is history');
"""
DROP_GUARD = "DROP TRIGGER manual_price_append_only ON trading_manualprice;"


class Migration(migrations.Migration):
    dependencies = [
        ("market", "0008_candles"),
        ("trading", "0009_ended_at_venue"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ManualPrice",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("price", models.DecimalField(decimal_places=8, max_digits=28)),
                (
                    "previous_price",
                    models.DecimalField(blank=True, decimal_places=8, max_digits=28, null=True),
                ),
                (
                    "way",
                    models.CharField(
                        choices=[
                            ("set_price", "The command set_price"),
                            ("replay", "Recorded or made-up prices, step by step"),
                            ("console", "The console"),
                            ("release", "The console, releasing a halted instrument"),
                        ],
                        max_length=10,
                    ),
                ),
                ("beyond_collar", models.BooleanField()),
                ("created_at", models.DateTimeField()),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "instrument",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="manual_prices",
                        to="market.instrument",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("price__gt", 0),
                            django.db.models.lookups.LessThanOrEqual(
                                django.db.models.functions.comparison.Greatest(
                                    "price", "previous_price"
                                ),
                                models.Value(Decimal("99999999999999999999.99999999")),
                            ),
                        ),
                        name="manual_price_positive",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("way__in", ["set_price", "replay", "console", "release"])
                        ),
                        name="manual_price_way_known",
                    ),
                ],
            },
        ),
        migrations.RunSQL(GUARD, DROP_GUARD),
    ]
