"""How prices and candles look on the wire."""

from typing import Any

from rest_framework import serializers

from market.candles import INTERVALS, Candle
from market.kernel.api.answers import AnswerSerializer
from market.kernel.api.fields import AmountField
from market.models import Instrument, PriceOrigin


class PriceSerializer(AnswerSerializer[Instrument]):
    """A mark price, in the instrument's quote asset."""

    symbol = serializers.CharField()
    price = AmountField(source="mark_price")
    timestamp = serializers.DateTimeField(source="marked_at")
    source = serializers.ChoiceField(choices=PriceOrigin.choices, source="mark_source")  # type: ignore[assignment]


class InstrumentSerializer(AnswerSerializer[Instrument]):
    """The rules of an instrument."""

    symbol = serializers.CharField()
    base_asset = serializers.CharField()
    quote_asset = serializers.CharField()
    tick_size = AmountField(help_text="Prices are multiples of it.")
    lot_size = AmountField(help_text="Sizes are multiples of it.")
    min_notional = AmountField(help_text="Smallest size × price of an order.")
    maker_fee_rate = AmountField(help_text="Share of the notional of a resting order's fill.")
    taker_fee_rate = AmountField(help_text="Share of the notional of an immediate fill.")
    halted = serializers.BooleanField()


class CandleQuery(serializers.Serializer[dict[str, Any]]):
    interval = serializers.ChoiceField(choices=list(INTERVALS), default="1m")
    limit = serializers.IntegerField(min_value=1, max_value=1000, default=100)


class CandleSerializer(AnswerSerializer[Candle]):
    """Mark prices of one interval; an interval without a tick has no candle."""

    open_time = serializers.DateTimeField()
    open = AmountField()
    high = AmountField()
    low = AmountField()
    close = AmountField()
    ticks = serializers.IntegerField(help_text="Market steps in the interval.")


#: One instance reads and writes every call: building the fields anew costs more than using them.
PRICE, INSTRUMENT, CANDLE = PriceSerializer(), InstrumentSerializer(), CandleSerializer()
