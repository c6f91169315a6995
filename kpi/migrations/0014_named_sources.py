"""Counters are kept by source, which now says where and since when it counts: begin anew."""

from django.db import migrations


def forget_counters(apps, schema_editor):
    apps.get_model("kpi", "KpiReading").objects.update(counters={})


class Migration(migrations.Migration):
    dependencies = [("kpi", "0013_audit_price_collar")]

    operations = [migrations.RunPython(forget_counters, migrations.RunPython.noop)]
