"""The account policy can let the limits of keys slide."""

from django.db import migrations, models


def sliding_limits():
    return models.BooleanField(
        "sliding limits",
        db_default=False,
        default=False,
        help_text="A key's limits of requests and orders hold in any span of their length, not in "
        "fixed windows alone, over whose edge twice as many pass.",
    )


class Migration(migrations.Migration):
    dependencies = [("accounts", "0010_states")]
    operations = [
        migrations.AddField("accountpolicy", "sliding_limits", sliding_limits()),
        migrations.AddField("historicalaccountpolicy", "sliding_limits", sliding_limits()),
    ]
