"""Terms of API keys: scopes, expiry, networks, and which key one replaces."""

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models

from accounts.networks import NetworkField
from market.migrations._shorthand import check, known, refers, sql_beside

SCOPES = [("read", "Read"), ("read trade", "Read and trade")]


class Migration(migrations.Migration):
    dependencies = [("accounts", "0008_reasons")]
    operations = [
        migrations.AddField(
            "apikey",
            "scopes",
            models.CharField(
                choices=SCOPES,
                db_default="read trade",
                default="read trade",
                help_text="Reading changes nothing; all else needs trade.",
                max_length=20,
            ),
        ),
        migrations.AddField(
            "apikey",
            "expires_at",
            models.DateTimeField(
                blank=True,
                help_text="From this instant on, UTC, the key and its tokens open nothing; "
                "empty: never.",
                null=True,
            ),
        ),
        migrations.AddField(
            "apikey",
            "networks",
            ArrayField(
                base_field=NetworkField(),
                blank=True,
                db_default=[],
                default=list,
                help_text="Where the key may be used from, such as 192.0.2.0/24 or 2001:db8::/32, "
                "one a line; empty: from anywhere.",
                size=32,
            ),
        ),
        migrations.AddField(
            "apikey",
            "replaces",
            refers("accounts.apikey", "+", blank=True, editable=False, null=True),
        ),
        migrations.AddConstraint("apikey", check("api_key_scopes_known", known("scopes", SCOPES))),
        migrations.AddConstraint(
            "apikey", check("api_key_networks_bounded", models.Q(networks__len__lte=32))
        ),
        sql_beside(__file__),
    ]
