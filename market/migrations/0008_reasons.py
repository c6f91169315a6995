"""The history of instruments keeps reasons uncut."""

from django.db import migrations

from market.migrations._shorthand import uncut_reason


class Migration(migrations.Migration):
    dependencies = [("market", "0007_console_names")]
    operations = [uncut_reason("historicalinstrument")]
