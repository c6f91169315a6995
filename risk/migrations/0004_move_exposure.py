"""The function that moves exposure last in a booking, by which no order passes the threshold."""

from django.db import migrations

from market.migrations._shorthand import sql_beside


class Migration(migrations.Migration):
    dependencies = [("risk", "0003_rows")]
    operations = [sql_beside(__file__)]
