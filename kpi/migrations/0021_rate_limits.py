"""Changes of rate limits are records of the audit trail."""

from django.db import migrations

from market.migrations._shorthand import sql_beside


class Migration(migrations.Migration):
    dependencies = [("kpi", "0020_audit_labels"), ("accounts", "0012_rate_limits")]
    operations = [sql_beside(__file__)]
