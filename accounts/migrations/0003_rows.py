"""The system accounts, two of them with a checkpoint, and the policy for new accounts."""

from django.db import migrations

SYSTEM_KINDS = ["external", "house", "fees", "insurance", "bad_debt"]
WITH_CHECKPOINT = ["insurance", "bad_debt"]


def create_rows(apps, schema_editor):
    account = apps.get_model("accounts", "Account")
    account.objects.bulk_create(account(kind=kind) for kind in SYSTEM_KINDS)
    checkpoint = apps.get_model("accounts", "SystemBalance")
    checkpoint.objects.bulk_create(
        checkpoint(account=kept)
        for kept in account.objects.filter(kind__in=WITH_CHECKPOINT).order_by("id")
    )
    apps.get_model("accounts", "AccountPolicy").objects.create(id=1)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_guards")]
    operations = [migrations.RunPython(create_rows)]
