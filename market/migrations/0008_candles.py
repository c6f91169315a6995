"""Keep candles of a minute and of an hour, so that none is made of millions of ticks any more."""

from decimal import Decimal

import django.db.models.deletion
from django.db import migrations, models

# The newest candles change with every step: room on their pages spares the index.
ROOM = "ALTER TABLE market_keptcandle SET (fillfactor = 70)"

# From the ticks that there are; no step may come in between.
FILL = """
LOCK TABLE market_pricetick IN SHARE ROW EXCLUSIVE MODE;
INSERT INTO market_keptcandle
    (instrument_id, seconds, open_time, open, high, low, close, ticks)
SELECT bar.instrument_id, bar.seconds, bar.open_time,
       first.price, bar.high, bar.low, last.price, bar.ticks
FROM (
    SELECT instrument_id, length.seconds,
           date_bin(make_interval(secs => length.seconds), created_at, 'epoch') AS open_time,
           min(tick.id) AS first, max(tick.id) AS last,
           max(price) AS high, min(price) AS low, count(*) AS ticks
    FROM market_pricetick AS tick
    CROSS JOIN (VALUES (60), (3600)) AS length (seconds)
    GROUP BY 1, 2, 3
) AS bar
JOIN market_pricetick AS first ON first.id = bar.first
JOIN market_pricetick AS last ON last.id = bar.last
ORDER BY bar.open_time;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("market", "0007_price_halts"),
    ]

    operations = [
        migrations.CreateModel(
            name="KeptCandle",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("seconds", models.SmallIntegerField()),
                ("open_time", models.DateTimeField()),
                ("open", models.DecimalField(decimal_places=8, max_digits=28)),
                ("high", models.DecimalField(decimal_places=8, max_digits=28)),
                ("low", models.DecimalField(decimal_places=8, max_digits=28)),
                ("close", models.DecimalField(decimal_places=8, max_digits=28)),
                ("ticks", models.IntegerField()),
                (
                    "instrument",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="market.instrument",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("instrument", "seconds", "open_time"),
                        name="candle_once_per_interval",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("low__gt", 0),
                            ("low__lte", models.F("open")),
                            ("open__lte", models.F("high")),
                            ("close__lte", models.F("high")),
                            ("low__lte", models.F("close")),
                            ("high__lte", Decimal("99999999999999999999.99999999")),
                        ),
                        name="candle_prices_within_range",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("seconds__in", [60, 3600]), ("ticks__gt", 0)),
                        name="candle_holds_ticks",
                    ),
                ],
            },
        ),
        migrations.RunSQL(ROOM, migrations.RunSQL.noop),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
    ]
