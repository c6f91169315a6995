"""The realised range beside the mark, and the lows and highs that it is read from."""

from django.db import migrations, models
from django.db.models import F, Q

from market.migrations._shorthand import ID, LARGEST, amount, check, refers

IN_WORDS = "(Highest − lowest) ÷ lowest mark over the risk policy's window."
LOWS_AND_HIGHS = [
    models.UniqueConstraint(
        fields=["instrument", "seconds", "open_time"], name="mark_range_once_per_interval"
    ),
    check(
        "mark_range_of_prices",
        Q(low__gt=0, low__lte=F("high"), seconds__in=[60, 3600]) & Q(high__lte=LARGEST),
    ),
]


class Migration(migrations.Migration):
    dependencies = [("market", "0010_states")]
    operations = [
        migrations.CreateModel(
            "MarkRange",
            [
                ID,
                ("seconds", models.SmallIntegerField()),
                ("open_time", models.DateTimeField()),
                ("low", amount()),
                ("high", amount()),
                ("instrument", refers("market.instrument", "+", db_index=False)),
            ],
            {"default_permissions": (), "constraints": LOWS_AND_HIGHS},
        ),
        migrations.AddField(
            "instrument", "realized_range", amount(null=True, editable=False, help_text=IN_WORDS)
        ),
        migrations.AddConstraint(
            "instrument",
            check(
                "instrument_range_not_negative",
                Q(realized_range__isnull=True)
                | Q(realized_range__gte=0, realized_range__lte=LARGEST),
            ),
        ),
    ]
