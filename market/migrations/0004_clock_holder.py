"""Who holds the clock: the server process of its connection."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("market", "0003_instrument_rules"),
    ]

    operations = [
        migrations.AddField(
            model_name="marketclock",
            name="holder_connected_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="marketclock",
            name="holder_pid",
            field=models.IntegerField(blank=True, null=True),
        ),
    ]
