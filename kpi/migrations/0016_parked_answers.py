"""Raise an alert on parked answers of a venue, show them to regulators, record their settlement."""

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import migrations, models

KINDS = [
    ("staff_action", "Staff action"),
    ("configuration_change", "Configuration change"),
    ("rights_change", "Change of rights"),
    ("account_change", "Account suspended or resumed"),
    ("api_key_change", "API key issued or revoked"),
    ("balance_change", "Balance change"),
    ("order_rejected", "Order rejected"),
    ("order_expired", "Order expired"),
    ("liquidation", "Liquidation"),
    ("answer_settled", "Parked answer settled"),
]
# A default of the exchange is no change of its configuration: no audit record.
CREATE_RULE = """
ALTER TABLE kpi_alertrule DISABLE TRIGGER audit_configuration;
INSERT INTO kpi_alertrule (kind, threshold, window_seconds, severity, enabled)
VALUES ('parked_answers', 0, 3600, 'critical', true) ON CONFLICT DO NOTHING;
ALTER TABLE kpi_alertrule ENABLE TRIGGER audit_configuration;
"""

CAPTURE = """
CREATE FUNCTION capture_settlement() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM audit_capture(
        'answer_settled', NEW.settled_at, NEW.settled_by_id, NULL,
        (SELECT account_id FROM trading_order WHERE id = NEW.order_id),
        'trading.parkedanswer:' || NEW.id,
        audit_text(to_jsonb(NEW) - '{id,settled_at,settled_by_id}'::text[])
    );
    RETURN NULL;
END $$;
CREATE TRIGGER audit_settlement AFTER UPDATE OF settled_at ON trading_parkedanswer
    FOR EACH ROW WHEN (OLD.settled_at IS NULL AND NEW.settled_at IS NOT NULL)
    EXECUTE FUNCTION capture_settlement();
"""
DROP_CAPTURE = """
DROP TRIGGER audit_settlement ON trading_parkedanswer;
DROP FUNCTION capture_settlement;
"""


def let_regulators_see(apps, schema_editor):
    """Django creates permissions after all migrations; the group, where it is kept, needs it now."""
    create_permissions(installed.get_app_config("trading"), verbosity=0)
    permissions = apps.get_model("auth", "Permission").objects
    for group in apps.get_model("auth", "Group").objects.filter(name="regulator"):
        group.permissions.add(permissions.get(codename="view_parkedanswer"))


class Migration(migrations.Migration):
    dependencies = [
        ("kpi", "0015_event_alerts"),
        ("trading", "0007_parked_answers"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.RemoveConstraint(model_name="auditrecord", name="audit_kind_known"),
        migrations.AlterField(
            model_name="auditrecord",
            name="kind",
            field=models.CharField(choices=KINDS, max_length=24),
        ),
        migrations.AddConstraint(
            model_name="auditrecord",
            constraint=models.CheckConstraint(
                condition=models.Q(kind__in=[kind for kind, _ in KINDS]), name="audit_kind_known"
            ),
        ),
        migrations.RunSQL(CREATE_RULE, migrations.RunSQL.noop),
        migrations.RunPython(let_regulators_see, migrations.RunPython.noop),
        migrations.RunSQL(CAPTURE, DROP_CAPTURE),
    ]
