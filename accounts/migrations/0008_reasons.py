"""Histories keep reasons uncut, and begin with the policy that a new exchange has."""

from django.db import migrations

from market.migrations._shorthand import keep_first_state, uncut_reason


def begin_history(apps, schema_editor):
    policy = apps.get_model("accounts", "AccountPolicy")(id=1)
    keep_first_state(apps, schema_editor, "accounts.HistoricalAccountPolicy", [policy])


class Migration(migrations.Migration):
    dependencies = [("accounts", "0007_console_names")]
    operations = [
        uncut_reason("historicaluser"),
        uncut_reason("historicalaccountpolicy"),
        migrations.RunPython(begin_history),
    ]
