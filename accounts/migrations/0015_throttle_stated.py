"""What the throttle tells the audit trail holds for its own changes alone."""

from django.db import migrations

from market.migrations._shorthand import sql_beside


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0014_throttle"),
    ]

    operations = [sql_beside(__file__)]
