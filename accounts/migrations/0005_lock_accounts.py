"""Accounts are locked by one statement, with how long to wait for them and for what follows."""

from django.db import migrations

from market.migrations._shorthand import sql_beside


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_reading_order")]
    operations = [sql_beside(__file__)]
