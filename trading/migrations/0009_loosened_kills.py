"""A kill ends where its state is loosened, whoever does that."""

from django.db import migrations

from market.migrations._shorthand import sql_beside


class Migration(migrations.Migration):
    dependencies = [("trading", "0008_sent_total_index"), ("risk", "0014_volatility_defaults")]
    operations = [sql_beside(__file__)]
