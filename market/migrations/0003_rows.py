"""The market's single clock row."""

from django.db import migrations


def create_rows(apps, schema_editor):
    apps.get_model("market", "MarketClock").objects.create(id=1)


class Migration(migrations.Migration):
    dependencies = [("market", "0002_guards")]
    operations = [migrations.RunPython(create_rows)]
