"""The history of alert rules keeps reasons uncut and begins with a new exchange's; suspensions and
keys are recorded with who and why."""

from importlib import import_module

from django.db import migrations

from market.migrations._shorthand import keep_first_state, sql_beside, uncut_reason

RULES = import_module("kpi.migrations.0003_rows").RULES


def begin_history(apps, schema_editor):
    """Tell what the rules were that 0003_rows made: in its order, the first that there are."""
    rule, history = apps.get_model("kpi", "AlertRule"), apps.get_model("kpi", "HistoricalAlertRule")
    created = history.objects.filter(history_type="+").values("id")
    keys = rule.objects.exclude(id__in=created).order_by("id").values_list("id", flat=True)
    made = [
        rule(id=key, kind=kind, threshold=threshold, window_seconds=seconds, severity=severity)
        for key, (kind, threshold, seconds, severity) in zip(keys, RULES, strict=False)
    ]
    if made:
        keep_first_state(apps, schema_editor, "kpi.HistoricalAlertRule", made)


class Migration(migrations.Migration):
    dependencies = [("kpi", "0011_console_names"), ("risk", "0008_reasons")]
    operations = [
        uncut_reason("historicalalertrule"),
        migrations.RunPython(begin_history),
        sql_beside(__file__),
    ]
