from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("risk", "0018_throttle"),
    ]

    operations = [
        migrations.AlterField(
            model_name="historicalriskpolicy",
            name="liquidation_threshold",
            field=models.DecimalField(
                decimal_places=8,
                default="0.5",
                help_text="The share of the initial margin below which equity is closed out.",
                max_digits=28,
            ),
        ),
        migrations.AlterField(
            model_name="riskpolicy",
            name="liquidation_threshold",
            field=models.DecimalField(
                decimal_places=8,
                default="0.5",
                help_text="The share of the initial margin below which equity is closed out.",
                max_digits=28,
            ),
        ),
    ]
