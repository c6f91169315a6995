"""What equity is held against: a share of the initial margin, or maintenance by brackets."""

from django.db import migrations, models

from market.migrations._shorthand import check, known, sql_beside

MODES = [
    ("initial_share", "A share of the initial margin"),
    ("brackets", "Maintenance by brackets"),
]
MODE = models.CharField(
    choices=MODES,
    db_default="initial_share",
    default="initial_share",
    help_text="What equity is held against: the threshold × initial margin, or the maintenance of "
    "each position by the brackets of its instrument.",
    max_length=20,
)
BRACKETS = models.CharField(
    blank=True,
    db_default="",
    default="",
    help_text="By instrument up to which notional which maintenance rate and which largest "
    "leverage apply, such as BTCUSDT 300000: 0.004 150x, 800000: 0.005 100x; ETHUSDT 50000: 0.01 "
    "50x. Read by the mode of brackets alone, in which orders that open are refused for an "
    "instrument without.",
    max_length=5000,
)


class Migration(migrations.Migration):
    dependencies = [("risk", "0014_volatility_defaults")]
    operations = [
        *(
            migrations.AddField(model, name, field)
            for model in ("riskpolicy", "historicalriskpolicy")
            for name, field in (("margin_mode", MODE), ("maintenance_brackets", BRACKETS))
        ),
        migrations.AddConstraint(
            "riskpolicy", check("risk_policy_margin_mode_known", known("margin_mode", MODES))
        ),
        sql_beside(__file__),
    ]
