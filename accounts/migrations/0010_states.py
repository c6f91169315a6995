"""A switch beside the suspension of an account: only orders that reduce a position are accepted."""

from django.db import migrations

from market.migrations._shorthand import reducing


class Migration(migrations.Migration):
    dependencies = [("accounts", "0009_key_terms")]
    operations = [migrations.AddField("account", "reducing", reducing())]
