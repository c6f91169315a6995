"""stub"""

from django.db.models import QuerySet

from market.models import Instrument


def current_prices() -> QuerySet[Instrument]:
    return Instrument.objects.filter(mark_price__isnull=False)
