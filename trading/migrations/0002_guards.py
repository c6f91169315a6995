"""Orders that go forward only; trades, close-outs and prices set by hand as history."""

from django.db import migrations

from market.migrations._shorthand import sql_beside


class Migration(migrations.Migration):
    dependencies = [("trading", "0001_tables"), ("risk", "0002_guards")]
    operations = [sql_beside(__file__)]
