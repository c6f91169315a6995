"""Positions as history, single rows, accounts to look at again, and who is in breach."""

from pathlib import Path

from django.db import migrations

from market.migrations._shorthand import sql_beside


class Migration(migrations.Migration):
    dependencies = [("risk", "0001_tables"), ("accounts", "0002_guards")]
    operations = [
        sql_beside(__file__),
        sql_beside(Path(__file__).with_name("0002_breach.sql")),
    ]
