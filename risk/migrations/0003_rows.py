"""The policy that a new exchange starts with; staff edit it from then on."""

from django.db import migrations

MAX_LEVERAGE = {"beginner": 5, "intermediate": 10, "advanced": 20}


def create_rows(apps, schema_editor):
    apps.get_model("risk", "RiskPolicy").objects.create(id=1)
    apps.get_model("risk", "GlobalExposure").objects.create(id=1)
    limit = apps.get_model("risk", "LeverageLimit")
    limit.objects.bulk_create(
        limit(tier=tier, max_leverage=leverage) for tier, leverage in MAX_LEVERAGE.items()
    )


class Migration(migrations.Migration):
    dependencies = [("risk", "0002_guards")]
    operations = [migrations.RunPython(create_rows)]
