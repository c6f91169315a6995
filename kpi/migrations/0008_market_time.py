"""Changes of instruments are compared with their history without the candle's time of a mark."""

from django.db import migrations

from market.migrations._shorthand import sql_beside


class Migration(migrations.Migration):
    dependencies = [("kpi", "0007_stream"), ("market", "0005_market_time")]
    operations = [sql_beside(__file__)]
