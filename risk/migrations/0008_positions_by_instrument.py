"""Find an account's newest position in an instrument without reading those before it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("risk", "0007_max_open_orders"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="position",
            index=models.Index(
                fields=["account", "instrument", "-id"], name="position_by_instrument"
            ),
        ),
    ]
