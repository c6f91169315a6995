"""Alerts about single events, and the rule for quotes that halted an instrument."""

from django.conf import settings
from django.db import migrations, models

# A default of the exchange is no change of its configuration: no audit record.
CREATE_RULE = """
ALTER TABLE kpi_alertrule DISABLE TRIGGER audit_configuration;
INSERT INTO kpi_alertrule (kind, threshold, window_seconds, severity, enabled)
VALUES ('price_halts', 0, 3600, 'critical', true) ON CONFLICT DO NOTHING;
ALTER TABLE kpi_alertrule ENABLE TRIGGER audit_configuration;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("kpi", "0014_named_sources"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="alert",
            name="alert_one_open_per_rule",
        ),
        migrations.AddField(
            model_name="alert",
            name="subject",
            field=models.CharField(
                blank=True,
                help_text="The event that it is about, if about a single one.",
                max_length=60,
            ),
        ),
        migrations.AddConstraint(
            model_name="alert",
            constraint=models.UniqueConstraint(
                condition=models.Q(("resolved_at", None), ("subject", "")),
                fields=("rule",),
                name="alert_one_open_per_rule",
            ),
        ),
        migrations.AddConstraint(
            model_name="alert",
            constraint=models.UniqueConstraint(
                condition=models.Q(("subject", ""), _negated=True),
                fields=("rule", "subject"),
                name="alert_once_per_event",
            ),
        ),
        migrations.RunSQL(CREATE_RULE, migrations.RunSQL.noop),
    ]
