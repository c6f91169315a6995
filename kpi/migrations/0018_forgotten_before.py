"""What a database from before the notes has forgotten: by the ages that its settings say now."""

from datetime import timedelta

from django.conf import settings
from django.db import migrations
from django.utils import timezone

AGES = {
    "market_pricetick": "TICK_RETENTION_DAYS",
    "kpi_heartbeat": "HEARTBEAT_RETENTION_DAYS",
    "kpi_ledgercheck": "CHECK_RETENTION_DAYS",
    "kpi_auditcheck": "CHECK_RETENTION_DAYS",
    "kpi_alertdelivery": "DELIVERY_RETENTION_DAYS",
    "kpi_kpisnapshot": "KPI_RETENTION_DAYS",
    "kpi_instrumentsnapshot": "KPI_RETENTION_DAYS",
}
# Of an exchange that has been used: a new one has no instrument, one that runs has heartbeats.
IS_USED = "SELECT EXISTS (SELECT FROM market_instrument) OR EXISTS (SELECT FROM kpi_heartbeat)"
# What was noted since is later, and stays.
NOTE = 'INSERT INTO kpi_forgotten ("table", until) VALUES (%s, %s) ON CONFLICT DO NOTHING'


def note_what_went(apps, schema_editor):
    """Note until when rows may be gone; days that are older are told as not whole."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(IS_USED)
        [is_used] = cursor.fetchone()
        if not is_used:
            return
        for table, setting in AGES.items():
            if days := getattr(settings, setting, 0):
                cursor.execute(NOTE, [table, timezone.now() - timedelta(days=days)])


class Migration(migrations.Migration):
    dependencies = [("kpi", "0017_kill")]
    operations = [migrations.RunPython(note_what_went)]
