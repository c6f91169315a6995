"""Studies of the policy lab and their cells; the regulators see them."""

from django.apps import apps as installed
from django.conf import settings
from django.contrib.auth.management import create_permissions
from django.db import migrations, models
from django.db.models import PROTECT, Q

from market.migrations._shorthand import ID, check, known, refers, sql_beside

IS_DIGEST = "^[0-9a-f]{64}$"
STATES = [("queued", "Queued"), ("running", "Running"), ("done", "Done"), ("failed", "Failed")]
# What a new exchange begins with is no change of anybody's rights: no audit record.
UNRECORDED = """
SET CONSTRAINTS ALL IMMEDIATE;  -- no table is altered while a check of its rows is due
ALTER TABLE auth_group_permissions DISABLE TRIGGER audit_rights;
"""
RECORDED = """
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE auth_group_permissions ENABLE TRIGGER audit_rights;
"""
SEEN = ["view_labstudy", "view_labcell", "view_labstudycell"]


def show_regulators(apps, schema_editor):
    """Django creates permissions after all migrations; the group needs them now."""
    create_permissions(installed.get_app_config("kpi"), verbosity=0)
    seen = apps.get_model("auth", "Permission").objects.filter(
        content_type__app_label="kpi", codename__in=SEEN
    )
    apps.get_model("auth", "Group").objects.get(name="regulator").permissions.add(*seen)


def text(**options):
    return models.CharField(max_length=200, **options)


def digest(**options):
    return models.CharField(max_length=64, **options)


class Migration(migrations.Migration):
    dependencies = [
        ("kpi", "0005_row_counts"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.CreateModel(
            "LabStudy",
            [
                ID,
                ("name", text()),
                ("question", models.TextField(blank=True)),
                ("digest", digest(unique=True)),
                ("canonical", models.TextField()),
                ("source", models.TextField(blank=True)),
                ("path", models.TextField(blank=True, help_text="Where the study's file lay.")),
                (
                    "tapes",
                    models.JSONField(
                        default=dict,
                        blank=True,
                        help_text="Files of candles by symbol that outweigh the study's.",
                    ),
                ),
                ("baseline", text(help_text="The policy that others are held to.")),
                ("policies", models.JSONField(default=list)),
                ("created_at", models.DateTimeField()),
                ("created_by", refers(settings.AUTH_USER_MODEL, "+", null=True, blank=True)),
                (
                    "manifest",
                    models.JSONField(
                        null=True,
                        blank=True,
                        help_text="What is needed to repeat it; once every cell is done.",
                    ),
                ),
                (
                    "comparison",
                    models.JSONField(
                        null=True,
                        blank=True,
                        help_text="The answer, from the cells that were done.",
                    ),
                ),
            ],
            {
                "ordering": ["-id"],
                "verbose_name_plural": "lab studies",
                "constraints": [check("lab_study_has_a_digest", Q(digest__regex=IS_DIGEST))],
            },
        ),
        migrations.CreateModel(
            "LabCell",
            [
                ID,
                ("key", digest(unique=True)),
                ("policy", text()),
                ("seed", models.BigIntegerField()),
                ("variant", text()),
                (
                    "state",
                    models.CharField(
                        max_length=10, choices=STATES, default="queued", db_index=True
                    ),
                ),
                (
                    "metrics",
                    models.JSONField(null=True, blank=True, help_text="Exact decimals as text."),
                ),
                (
                    "series",
                    models.JSONField(
                        null=True, blank=True, help_text="What the charts are drawn from."
                    ),
                ),
                ("digest", digest(blank=True, help_text="Of metrics and series.")),
                ("cpu_seconds", models.FloatField(null=True, blank=True)),
                ("error", models.TextField(blank=True)),
                ("claimed_by", models.CharField(max_length=200, blank=True)),
                ("claimed_at", models.DateTimeField(null=True, blank=True)),
                ("finished_at", models.DateTimeField(null=True, blank=True)),
            ],
            {
                "ordering": ["-id"],
                "constraints": [
                    check("lab_cell_has_a_key", Q(key__regex=IS_DIGEST)),
                    check("lab_cell_state_known", known("state", STATES)),
                    check(
                        "lab_cell_done_with_a_result",
                        ~Q(state="done")
                        | Q(
                            metrics__isnull=False,
                            digest__regex=IS_DIGEST,
                            finished_at__isnull=False,
                            error="",
                        ),
                    ),
                    check(
                        "lab_cell_run_by_somebody",
                        ~Q(state="running") | Q(claimed_at__isnull=False),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            "LabStudyCell",
            [
                ID,
                (
                    "study",
                    models.ForeignKey(
                        "kpi.labstudy", PROTECT, related_name="places", db_index=False
                    ),
                ),
                ("cell", models.ForeignKey("kpi.labcell", PROTECT, related_name="places")),
                ("policy", text()),
                ("seed", models.BigIntegerField()),
                ("variant", text()),
                (
                    "ordinal",
                    models.PositiveIntegerField(help_text="Its place in the order of computing."),
                ),
            ],
            {
                "ordering": ["study", "ordinal"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=["study", "policy", "seed", "variant"], name="lab_study_cell_once"
                    )
                ],
                "indexes": [
                    models.Index(fields=["study", "ordinal"], name="lab_study_cell_in_order")
                ],
            },
        ),
        sql_beside(__file__),
        migrations.RunSQL(UNRECORDED),
        migrations.RunPython(show_regulators),
        migrations.RunSQL(RECORDED),
    ]
