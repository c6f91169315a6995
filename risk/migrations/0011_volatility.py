"""Leverage that falls with an instrument's realised range: the window and the bands."""

from django.db import migrations, models

from market.migrations._shorthand import check, sql_beside

BANDS = models.CharField(
    blank=True,
    default="",
    max_length=250,
    help_text="From which range on how much of a tier's highest leverage is left for orders that "
    "open, such as 0.03: 0.75, 0.06: 0.5. Empty: all of it, whatever the range.",
)
MINUTES = models.SmallIntegerField(
    default=1440,
    help_text="Minutes of the market's clock over which an instrument's range is taken, up to "
    "1,440. Another window counts from the next market step on.",
)
IS_A_DAY = models.Q(volatility_window_minutes__range=(1, 1440))


class Migration(migrations.Migration):
    dependencies = [("risk", "0010_states")]
    operations = [
        *(
            migrations.AddField(model, name, field)
            for model in ("riskpolicy", "historicalriskpolicy")
            for name, field in (
                ("volatility_window_minutes", MINUTES),
                ("volatility_bands", BANDS),
            )
        ),
        migrations.AddConstraint(
            "riskpolicy",
            check(
                "risk_policy_window_of_a_day",
                IS_A_DAY,
                "The window of the range is 1 to 1,440 minutes.",
            ),
        ),
        sql_beside(__file__),
    ]
