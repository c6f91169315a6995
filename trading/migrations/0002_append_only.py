"""Trades and liquidations are history: the database refuses to change or delete them."""

from django.db import migrations

GUARD = """
CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
"""
DROP = "DROP TRIGGER {table}_append_only ON {table};"


class Migration(migrations.Migration):
    dependencies = [("trading", "0001_initial"), ("accounts", "0002_ledger_guards")]

    operations = [
        migrations.RunSQL(GUARD.format(table=table), DROP.format(table=table))
        for table in ("trading_trade", "trading_liquidation")
    ]
