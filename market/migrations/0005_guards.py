"""Keep out NaN, which PostgreSQL ranks above every number, and prices that are none."""

from decimal import Decimal

from django.db import migrations, models
from django.db.models.functions import Greatest
from django.db.models.lookups import LessThanOrEqual

LARGEST = Decimal("99999999999999999999.99999999")


class Migration(migrations.Migration):
    dependencies = [
        ("market", "0004_clock_holder"),
    ]

    operations = [
        migrations.AddConstraint(
            model_name="instrument",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    LessThanOrEqual(Greatest("mark_price", "min_notional"), models.Value(LARGEST))
                ),
                name="instrument_amounts_are_numbers",
            ),
        ),
        migrations.AddConstraint(
            model_name="pricetick",
            constraint=models.CheckConstraint(
                condition=models.Q(("price__gt", 0), ("price__lte", LARGEST)),
                name="tick_price_positive",
            ),
        ),
    ]
