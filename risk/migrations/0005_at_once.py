"""What changes many rows at once: accounts touched once, and foreign keys checked by index."""

from django.db import migrations

from market.migrations._shorthand import sql_beside


class Migration(migrations.Migration):
    dependencies = [("risk", "0004_move_exposure")]
    operations = [sql_beside(__file__)]
