"""Note when the last market step of an instrument alone began."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("market", "0009_halts_by_hand"),
    ]

    operations = [
        migrations.AddField(
            model_name="instrument",
            name="stepped_at",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                help_text="When the last step of it alone began.",
                null=True,
            ),
        ),
    ]
