"""stub"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from market.amounts import LARGEST_INPUT, is_multiple
from market.errors import ExchangeError
from market.models import Instrument, PriceTick
from market.prices import Quote


def record_marks(*, quotes: Mapping[int, Quote], now: datetime) -> None:
    for key, quote in quotes.items():
        i = Instrument.objects.get(pk=key)
        if not 0 < quote.price < LARGEST_INPUT or not is_multiple(quote.price, i.tick_size):
            raise ExchangeError("bad", code="invalid_price")
        Instrument.objects.filter(pk=key).update(
            mark_price=quote.price, marked_at=now, mark_source=quote.source
        )
        PriceTick.objects.create(
            instrument_id=key, price=quote.price, source=quote.source, created_at=now
        )


def list_instrument(
    *, symbol: str, base_asset: str, tick_size: Decimal, lot_size: Decimal, min_notional: Decimal
) -> Instrument:
    return Instrument.objects.create(
        symbol=symbol,
        base_asset=base_asset,
        tick_size=tick_size,
        lot_size=lot_size,
        min_notional=min_notional,
    )
