"""Leave the turns of an instrument's own market steps out of the audit trail, like its marks."""

from importlib import import_module

from django.db import migrations

CAPTURED = import_module("kpi.migrations.0012_audit_capture").CONFIGURATION
REPLACE = CAPTURED.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")


class Migration(migrations.Migration):
    dependencies = [
        ("kpi", "0018_audit_prices"),
        ("market", "0010_instrument_steps"),
    ]

    operations = [
        migrations.RunSQL(REPLACE.replace("mark_source}", "mark_source,stepped_at}"), REPLACE),
    ]
