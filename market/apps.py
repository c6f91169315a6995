from django.apps import AppConfig


class MarketConfig(AppConfig):
    name = "market"
    verbose_name = "Market"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Refuse to start with a price source that cannot work. Raises ImproperlyConfigured."""
        from market.prices import check_price_sources

        check_price_sources()
