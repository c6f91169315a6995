"""Where reading and sealing begin, the alert rules, and the group that sees everything."""

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import migrations

# What a new exchange begins with is no change of its configuration: no audit record.
UNRECORDED = """
ALTER TABLE kpi_alertrule DISABLE TRIGGER audit_configuration;
ALTER TABLE auth_group_permissions DISABLE TRIGGER audit_rights;
"""
RECORDED = """
SET CONSTRAINTS ALL IMMEDIATE;  -- no table is altered while a check of its rows is due
ALTER TABLE kpi_alertrule ENABLE TRIGGER audit_configuration;
ALTER TABLE auth_group_permissions ENABLE TRIGGER audit_rights;
"""
#: Kind, threshold, window in seconds, severity. docker/rules.yml tells Prometheus the same.
RULES = [
    ("latency_p95", 500, 300, "warning"),
    ("error_rate", 0.5, 300, "warning"),
    ("server_errors", 5, 300, "critical"),
    ("auth_failures", 50, 300, "warning"),
    ("rate_limit_hits", 200, 300, "warning"),
    ("liquidations", 10, 300, "warning"),
    ("exposure_share", 0.8, 300, "warning"),
    ("exposure_share", 0.95, 300, "critical"),
    ("mark_age", 60, 300, "critical"),
    ("heartbeat_gap", 30, 300, "warning"),
    ("ledger_differences", 0, 300, "critical"),
    ("audit_differences", 0, 300, "critical"),
    ("price_halts", 0, 3600, "critical"),
    ("parked_answers", 0, 3600, "critical"),
    ("ledger_check_age", 3, 300, "critical"),
    ("audit_check_age", 3, 300, "critical"),
]
OUR_APPS = ["market", "accounts", "risk", "trading", "kpi"]
#: What else of the console the regulators see.
FURTHER = ["view_group", "view_logentry"]


def create_rows(apps, schema_editor):
    apps.get_model("kpi", "KpiReading").objects.create(id=1)
    apps.get_model("kpi", "AuditHead").objects.create(id=1, hash="0" * 64)
    rule = apps.get_model("kpi", "AlertRule")
    rule.objects.bulk_create(
        rule(kind=kind, threshold=threshold, window_seconds=seconds, severity=severity)
        for kind, threshold, seconds, severity in RULES
    )


def create_regulators(apps, schema_editor):
    """Django creates permissions after all migrations; the group needs them now."""
    for app in [*OUR_APPS, "auth", "admin"]:
        create_permissions(installed.get_app_config(app), verbosity=0)
    permissions = apps.get_model("auth", "Permission").objects
    ours = permissions.filter(content_type__app_label__in=OUR_APPS, codename__startswith="view_")
    group = apps.get_model("auth", "Group").objects.create(name="regulator")
    group.permissions.add(*ours, *permissions.filter(codename__in=FURTHER))


class Migration(migrations.Migration):
    dependencies = [("kpi", "0002_guards")]
    operations = [
        migrations.RunSQL(UNRECORDED),
        migrations.RunPython(create_rows),
        migrations.RunPython(create_regulators),
        migrations.RunSQL(RECORDED),
    ]
