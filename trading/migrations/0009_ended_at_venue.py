"""Find the orders that ended a short while ago, whatever the end, to ask the venue about them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_system_balances"),
        ("market", "0008_candles"),
        ("trading", "0008_dust_close_outs"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="order",
            name="order_ended_unseen_at_venue",
        ),
        migrations.AddIndex(
            model_name="order",
            index=models.Index(
                condition=models.Q(
                    ("venue", "binance_testnet"),
                    models.Q(
                        ("status__in", ["CANCELED", "EXPIRED"]),
                        models.Q(("reject_code", "venue_rejected"), ("status", "REJECTED")),
                        _connector="OR",
                    ),
                ),
                fields=["updated_at"],
                name="order_ended_at_venue",
            ),
        ),
    ]
