"""Append-only transfers, balances derived from them, and what users keep for good."""

from django.db import migrations

from market.migrations._shorthand import sql_beside


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_tables"), ("market", "0002_guards")]
    operations = [sql_beside(__file__)]
