"""Note of a quote that halted an instrument whether staff halted it too."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("market", "0008_candles"),
    ]

    operations = [
        migrations.AddField(
            model_name="pricehalt",
            name="stays_halted",
            field=models.BooleanField(
                default=False,
                help_text="Staff halted the instrument too: the release does not resume it.",
            ),
        ),
    ]
