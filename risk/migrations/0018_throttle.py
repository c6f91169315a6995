"""From how many fills in how long an account may only reduce."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("risk", "0017_required"),
    ]

    operations = [
        migrations.AddField(
            model_name="historicalriskpolicy",
            name="fills_window_seconds",
            field=models.SmallIntegerField(
                db_default=60,
                default=60,
                help_text="Seconds in which fills are counted, 3,600 at most.",
            ),
        ),
        migrations.AddField(
            model_name="historicalriskpolicy",
            name="max_fills",
            field=models.SmallIntegerField(
                db_default=0,
                default=0,
                help_text="An account with so many fills in the window below may only reduce from then on, until staff resume it: 2 to 10,000. 0 means never.",
            ),
        ),
        migrations.AddField(
            model_name="riskpolicy",
            name="fills_window_seconds",
            field=models.SmallIntegerField(
                db_default=60,
                default=60,
                help_text="Seconds in which fills are counted, 3,600 at most.",
            ),
        ),
        migrations.AddField(
            model_name="riskpolicy",
            name="max_fills",
            field=models.SmallIntegerField(
                db_default=0,
                default=0,
                help_text="An account with so many fills in the window below may only reduce from then on, until staff resume it: 2 to 10,000. 0 means never.",
            ),
        ),
        migrations.AddConstraint(
            model_name="riskpolicy",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("max_fills", 0), ("max_fills__range", (2, 10000)), _connector="OR"
                ),
                name="risk_policy_fills_repeat",
                violation_error_message="Fills are counted up to 2 to 10,000, or 0 for never.",
            ),
        ),
        migrations.AddConstraint(
            model_name="riskpolicy",
            constraint=models.CheckConstraint(
                condition=models.Q(("fills_window_seconds__range", (1, 3600))),
                name="risk_policy_fills_within_an_hour",
                violation_error_message="Fills are counted in 1 to 3,600 seconds.",
            ),
        ),
    ]
