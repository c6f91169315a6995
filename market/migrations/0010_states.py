"""A switch beside the halt of an instrument: only orders that reduce a position are accepted."""

from django.db import migrations

from market.migrations._shorthand import reducing


class Migration(migrations.Migration):
    dependencies = [("market", "0009_order_limits")]
    operations = [
        migrations.AddField("instrument", "reducing", reducing()),
        migrations.AddField("historicalinstrument", "reducing", reducing()),
    ]
