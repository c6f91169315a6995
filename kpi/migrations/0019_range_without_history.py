"""The realised range is what the market does, of which no history tells."""

from django.db import migrations

from market.migrations._shorthand import sql_beside


class Migration(migrations.Migration):
    dependencies = [("kpi", "0018_forgotten_before"), ("market", "0011_realized_range")]
    operations = [sql_beside(__file__)]
