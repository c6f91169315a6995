"""The audit trail and the stream tell of REDUCING, of tiers too."""

from django.db import migrations

from market.migrations._shorthand import sql_beside


class Migration(migrations.Migration):
    dependencies = [
        ("kpi", "0014_key_terms"),
        ("market", "0010_states"),
        ("accounts", "0010_states"),
        ("risk", "0010_states"),
    ]
    operations = [sql_beside(__file__)]
