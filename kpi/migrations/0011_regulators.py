"""Make the group whose members see everything and change nothing."""

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import migrations

OUR_APPS = ["market", "accounts", "risk", "trading", "kpi"]
#: What else has a page in the console.
FURTHER = ["view_group", "view_logentry"]


def create_group(apps, schema_editor):
    """Django creates permissions after all migrations; the group needs them now."""
    for app in [*OUR_APPS, "auth", "admin"]:
        create_permissions(installed.get_app_config(app), verbosity=0)
    permission = apps.get_model("auth", "Permission")
    ours = permission.objects.filter(
        content_type__app_label__in=OUR_APPS, codename__startswith="view_"
    )
    group, _ = apps.get_model("auth", "Group").objects.get_or_create(name="regulator")
    group.permissions.add(*ours, *permission.objects.filter(codename__in=FURTHER))


class Migration(migrations.Migration):
    dependencies = [
        ("kpi", "0010_audit"),
        ("accounts", "0003_guards"),
        ("market", "0005_guards"),
        ("risk", "0005_guards"),
        ("trading", "0003_guards"),
        ("admin", "0003_logentry_add_action_flag_choices"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [migrations.RunPython(create_group, migrations.RunPython.noop)]
