"""Records of API keys tell their terms, and each change of them."""

from django.db import migrations

from market.migrations._shorthand import sql_beside


class Migration(migrations.Migration):
    dependencies = [("kpi", "0013_order_limits"), ("accounts", "0009_key_terms")]
    operations = [sql_beside(__file__)]
