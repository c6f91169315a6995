"""Histories keep reasons uncut, and begin with the policy that a new exchange has."""

from django.db import migrations

from market.migrations._shorthand import keep_first_state, uncut_reason

#: As 0003_rows made them.
MAX_LEVERAGE = {"beginner": 5, "intermediate": 10, "advanced": 20}


def begin_histories(apps, schema_editor):
    policy, limit = apps.get_model("risk", "RiskPolicy"), apps.get_model("risk", "LeverageLimit")
    limits = [limit(tier=tier, max_leverage=most) for tier, most in MAX_LEVERAGE.items()]
    keep_first_state(apps, schema_editor, "risk.HistoricalRiskPolicy", [policy(id=1)])
    keep_first_state(apps, schema_editor, "risk.HistoricalLeverageLimit", limits)


class Migration(migrations.Migration):
    dependencies = [("risk", "0007_console_names"), ("accounts", "0008_reasons")]
    operations = [
        uncut_reason("historicalriskpolicy"),
        uncut_reason("historicalleveragelimit"),
        migrations.RunPython(begin_histories),
    ]
