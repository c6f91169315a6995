from django.apps import AppConfig


class KpiConfig(AppConfig):
    name = "kpi"
    verbose_name = "KPIs"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks of the database, and metrics that another process counts."""
        from kpi.health import connections  # noqa: F401
        from kpi.stream import metrics  # noqa: F401
