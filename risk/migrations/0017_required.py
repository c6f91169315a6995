"""What equity is held against by either mode, and the brackets that bounds were made for."""

from django.db import migrations, models

from market.migrations._shorthand import sql_beside


class Migration(migrations.Migration):
    dependencies = [("risk", "0016_partial_close_out")]
    operations = [
        migrations.AddField(
            "boundgeneration",
            "brackets",
            models.CharField(blank=True, db_default="", default="", max_length=5000),
        ),
        sql_beside(__file__),
    ]
