"""The clock tells which step has ended, fills and close-outs included."""

from django.db import migrations, models
from django.db.models import F


def take_over(apps, schema_editor):
    apps.get_model("market", "MarketClock").objects.update(finished=F("steps"))


class Migration(migrations.Migration):
    dependencies = [("market", "0003_rows")]
    operations = [
        migrations.AddField(
            model_name="marketclock",
            name="finished",
            field=models.PositiveBigIntegerField(
                db_default=0,
                help_text="The last step that has ended, its fills and close-outs included.",
            ),
        ),
        migrations.RunPython(take_over, migrations.RunPython.noop),
    ]
