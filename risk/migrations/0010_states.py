"""What orders may do on the whole exchange, and of a tier: a switch of the policy, a state of each."""

from django.db import migrations, models

from market.migrations._shorthand import check, known, reducing

STATES = [("ACTIVE", "Active"), ("REDUCING", "Reducing"), ("HALTED", "Halted")]


def state():
    return models.CharField(
        "state",
        max_length=10,
        choices=STATES,
        default="ACTIVE",
        db_default="ACTIVE",
        help_text="Reducing accepts only orders that reduce a position; halted accepts none.",
    )


class Migration(migrations.Migration):
    dependencies = [("risk", "0009_order_limits")]
    operations = [
        migrations.AddField("riskpolicy", "trading_reducing", reducing()),
        migrations.AddField("historicalriskpolicy", "trading_reducing", reducing()),
        migrations.AddField("leveragelimit", "tier_state", state()),
        migrations.AddField("historicalleveragelimit", "tier_state", state()),
        migrations.AddConstraint(
            "leveragelimit", check("leverage_state_known", known("tier_state", STATES))
        ),
    ]
