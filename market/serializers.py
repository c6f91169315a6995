"""How prices and candles look on the wire."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from rest_framework import serializers

from market.candles import INTERVALS, Candle
from market.kernel.api.answers import AnswerSerializer
from market.kernel.api.asked import QuerySerializer
from market.kernel.api.fields import AmountField, MomentField
from market.kernel.states import TradingState
from market.models import Instrument, PriceOrigin, PriceTick

T = TypeVar("T")

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class TimeSerializer(AnswerSerializer[datetime]):
    """A moment, in two spellings."""

    time = serializers.DateTimeField(source="*", help_text="ISO 8601, UTC.")
    epoch_ms = serializers.SerializerMethodField(help_text="Milliseconds since 1970, UTC.")

    def get_epoch_ms(self, moment: datetime) -> int:
        return (moment - EPOCH) // timedelta(milliseconds=1)


class ReplayedSerializer(AnswerSerializer[T]):
    """What may come from recorded candles; ``market_time`` is there only where it does."""

    market_time = serializers.DateTimeField(
        required=False, help_text="Of the recorded candle; only where a replay set the price."
    )


class PriceSerializer(ReplayedSerializer[Instrument]):
    """A mark price, in the instrument's quote asset."""

    symbol = serializers.CharField()
    price = AmountField(source="mark_price")
    timestamp = serializers.DateTimeField(source="marked_at")
    source = serializers.ChoiceField(choices=PriceOrigin.choices, source="mark_source")  # type: ignore[assignment]


class TickSerializer(ReplayedSerializer[PriceTick]):
    """A mark price as a market step set it, told as the present one is."""

    symbol = serializers.CharField(source="instrument.symbol")
    price = AmountField()
    timestamp = serializers.DateTimeField(source="created_at")
    source = serializers.ChoiceField(choices=PriceOrigin.choices)  # type: ignore[assignment]
    step = serializers.IntegerField(required=False)


class InstrumentSerializer(AnswerSerializer[Instrument]):
    """The rules of an instrument; a limit or a state only where there is one."""

    symbol = serializers.CharField()
    base_asset = serializers.CharField()
    quote_asset = serializers.CharField()
    tick_size = AmountField(help_text="Prices are multiples of it.")
    lot_size = AmountField(help_text="Sizes are multiples of it.")
    min_notional = AmountField(help_text="Smallest size × price of an order.")
    maker_fee_rate = AmountField(help_text="Share of the notional of a resting order's fill.")
    taker_fee_rate = AmountField(help_text="Share of the notional of an immediate fill.")
    max_order_size = AmountField(required=False, help_text="Largest size of an order, if any.")
    max_order_value = AmountField(
        required=False,
        help_text="Largest size × price of an order, if any; a tier may have less.",
    )
    halted = serializers.BooleanField()
    state = serializers.ChoiceField(
        choices=list(TradingState),
        required=False,
        source="told_state",
        help_text="Where staff let orders only reduce: REDUCING, or HALTED while a quote halts it.",
    )


class CandleQuery(QuerySerializer):
    interval = serializers.ChoiceField(choices=list(INTERVALS), default="1m")
    limit = serializers.IntegerField(min_value=1, max_value=1000, default=100)
    start = MomentField(required=False, help_text="The first candles that open from then on.")
    end = MomentField(required=False, help_text="None that opens then or later.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "start" in attrs and "end" in attrs and attrs["start"] > attrs["end"]:
            raise serializers.ValidationError({"start": ["This is after the end."]})
        return attrs


class CandleSerializer(ReplayedSerializer[Candle]):
    """Mark prices of one interval."""

    open_time = serializers.DateTimeField()
    open = AmountField()
    high = AmountField()
    low = AmountField()
    close = AmountField()
    ticks = serializers.IntegerField(help_text="Market steps in the interval.")
    volume = AmountField(
        help_text="Always 0: mark prices are quoted, not traded. What was traded here is in "
        "`/trades`, what the steps were in `ticks`."
    )


#: One instance reads and writes every call: building the fields anew costs more than using them.
PRICE, INSTRUMENT, CANDLE = PriceSerializer(), InstrumentSerializer(), CandleSerializer()
TIME, CANDLE_QUERY = TimeSerializer(), CandleQuery()
