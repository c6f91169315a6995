"""The market's single clock row."""

from django.db import migrations


def create_clock(apps, schema_editor):
    apps.get_model("market", "MarketClock").objects.create(id=1)


class Migration(migrations.Migration):
    dependencies = [("market", "0001_initial")]

    operations = [migrations.RunPython(create_clock, migrations.RunPython.noop)]
