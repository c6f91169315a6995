"""Positions as history, single rows, and the accounts to look at again."""

from django.db import migrations

from market.migrations._shorthand import sql_beside


class Migration(migrations.Migration):
    dependencies = [("risk", "0001_tables"), ("accounts", "0002_guards")]
    operations = [sql_beside(__file__)]
