"""The page of a kill says by when it counts."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("trading", "0012_fill_numbers"),
    ]

    operations = [
        migrations.AlterField(
            model_name="kill",
            name="canceled",
            field=models.IntegerField(
                default=0, help_text="Orders that it has cancelled, as counted when it ended."
            ),
        ),
    ]
