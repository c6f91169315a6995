"""Capture a change of an instrument's price collar, whoever makes it."""

from django.db import migrations

CAPTURE = """
DROP TRIGGER audit_configuration ON market_instrument;
CREATE CONSTRAINT TRIGGER audit_configuration AFTER INSERT OR DELETE OR UPDATE
    OF symbol, base_asset, quote_asset, tick_size, lot_size, min_notional, maker_fee_rate,
       taker_fee_rate, halted{more}
    ON market_instrument
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION capture_configuration('market.instrument', 'market_historicalinstrument', 'id');
"""


class Migration(migrations.Migration):
    dependencies = [("kpi", "0012_audit_capture"), ("market", "0006_price_collar")]

    operations = [
        migrations.RunSQL(CAPTURE.format(more=", price_collar"), CAPTURE.format(more="")),
    ]
