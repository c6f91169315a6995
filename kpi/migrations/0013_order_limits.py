"""A change of an instrument's largest orders is recorded as its other rules are."""

from django.db import migrations

from market.migrations._shorthand import sql_beside


class Migration(migrations.Migration):
    dependencies = [("kpi", "0012_reasons"), ("market", "0009_order_limits")]
    operations = [sql_beside(__file__)]
