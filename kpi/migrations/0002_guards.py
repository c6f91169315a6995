"""Capture facts in their own transactions as audit records that nobody changes."""

from django.db import migrations

from market.migrations._shorthand import sql_beside


class Migration(migrations.Migration):
    dependencies = [
        ("kpi", "0001_tables"),
        ("market", "0003_rows"),
        ("accounts", "0003_rows"),
        ("risk", "0003_rows"),
        ("trading", "0002_guards"),
        ("admin", "0003_logentry_add_action_flag_choices"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [sql_beside(__file__)]
