from django.apps import AppConfig


class TradingConfig(AppConfig):
    name = "trading"
    verbose_name = "Trading"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Refuse to start with a venue that cannot work. Raises ImproperlyConfigured."""
        from trading.venues.connection import check_venue

        check_venue()
