"""The refusal that triggers of every app share, and the guards of price halts."""

from django.db import migrations

from market.migrations._shorthand import sql_beside


class Migration(migrations.Migration):
    dependencies = [("market", "0001_tables")]
    operations = [sql_beside(__file__)]
