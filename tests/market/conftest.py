"""An instrument and a way to mark it."""

from datetime import datetime
from decimal import Decimal

import pytest
from django.utils import timezone

from market.models import Instrument, PriceOrigin
from market.quotes import Quote
from market.services import record_marks


@pytest.fixture
def btc(db: None) -> Instrument:
    """BTCUSDT with a tick of 0.01, not marked yet."""
    return Instrument.objects.create(
        symbol="BTCUSDT",
        base_asset="BTC",
        tick_size=Decimal("0.01"),
        lot_size=Decimal("0.00001"),
    )


def mark(instrument: Instrument, price: str, at: datetime | None = None) -> None:
    """Mark an instrument as a market step does."""
    quote = Quote(Decimal(price), PriceOrigin.SIMULATION)
    record_marks(quotes={instrument.pk: quote}, now=at or timezone.now())
