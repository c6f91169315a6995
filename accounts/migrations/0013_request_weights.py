"""A call may count as several requests."""

from django.db import migrations, models

from market.migrations._shorthand import sql_beside


def weights():
    return models.TextField(
        blank=True,
        db_default="",
        default="",
        help_text="How many requests a call counts as for the limits of keys, such as "
        "GET /kpi/history: 5, POST /orders: 2. Any other counts as one.",
    )


class Migration(migrations.Migration):
    dependencies = [("accounts", "0012_rate_limits")]
    operations = [
        migrations.AddField("accountpolicy", "request_weights", weights()),
        migrations.AddField("historicalaccountpolicy", "request_weights", weights()),
        sql_beside(__file__),
    ]
