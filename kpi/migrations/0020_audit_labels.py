"""Records of accounts and API keys tell more than their labels said; only the labels change."""

from django.db import migrations, models

KINDS = [
    ("staff_action", "Staff action"),
    ("configuration_change", "Configuration change"),
    ("rights_change", "Change of rights"),
    ("account_change", "Change of an account's state"),
    ("api_key_change", "Change of an API key"),
    ("balance_change", "Balance change"),
    ("order_rejected", "Order rejected"),
    ("order_expired", "Order expired"),
    ("liquidation", "Liquidation"),
    ("answer_settled", "Parked answer settled"),
    ("price_halt", "Instrument halted by a quote"),
    ("price_set", "Mark price set by a person"),
    ("kill", "Open orders cancelled by a kill"),
]


class Migration(migrations.Migration):
    dependencies = [("kpi", "0019_range_without_history")]
    operations = [
        migrations.AlterField("auditrecord", "kind", models.CharField(max_length=24, choices=KINDS))
    ]
