"""Fills that count for the throttle have a number of their account."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0014_throttle"),
        ("market", "0011_realized_range"),
        ("trading", "0011_maintenance"),
    ]

    operations = [
        migrations.AddField(
            model_name="trade",
            name="fill_number",
            field=models.BigIntegerField(
                blank=True,
                help_text="How many fills of the account count for the throttle, up to this one; empty where none counts.",
                null=True,
            ),
        ),
        migrations.AddIndex(
            model_name="trade",
            index=models.Index(
                condition=models.Q(("fill_number__isnull", False)),
                fields=["account", "created_at", "fill_number"],
                name="trade_counted_by_account",
            ),
        ),
        migrations.AddConstraint(
            model_name="trade",
            constraint=models.UniqueConstraint(
                condition=models.Q(("fill_number__isnull", False)),
                fields=("account", "fill_number"),
                name="trade_fill_number_once_per_account",
            ),
        ),
        migrations.AddConstraint(
            model_name="trade",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("fill_number__isnull", True),
                    models.Q(("fill_number__gte", 1), ("liquidation__isnull", True)),
                    _connector="OR",
                ),
                name="trade_counted_is_no_close_out",
            ),
        ),
    ]
