"""Bodies of the KPI and health endpoints; figures are JSON numbers, amounts are text as well."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from rest_framework import serializers

from accounts.models import Tier
from kpi.health.parts import HealthStatus, PartStatus
from kpi.history.figures import METRICS, UNITS
from kpi.history.series import MOST_SYMBOLS, Point
from kpi.history.windows import KPI_WINDOWS, WINDOWS
from market.kernel.api.answers import writer_of
from market.kernel.api.asked import QuerySerializer
from market.kernel.api.fields import AmountField


def choice(names: Iterable[str], **options: Any) -> serializers.ChoiceField:
    """Return a field that lists its choices to whoever misses them."""
    names = list(names)
    message = f"Choose one of: {', '.join(names)}."
    return serializers.ChoiceField(
        choices=names, error_messages={"invalid_choice": message, "required": message}, **options
    )


class WindowQuery(QuerySerializer):
    window = choice(
        KPI_WINDOWS,
        required=False,
        help_text="Count what happened in this time, as far as the KPI history reaches back. "
        "Without it counts go back to the start: of the processes, or of the exchange.",
    )


class HistoryQuery(QuerySerializer):
    metric = choice(METRICS)
    window = choice(WINDOWS, default="1h")
    symbol = serializers.CharField(
        required=False,
        max_length=250,
        help_text=f"Up to {MOST_SYMBOLS} symbols, separated by commas, for a metric by instrument. "
        "Without it the instruments with the largest exposure.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        symbols = [word.strip() for word in attrs.pop("symbol", "").split(",") if word.strip()]
        if len(symbols) > MOST_SYMBOLS:
            raise serializers.ValidationError({"symbol": f"Name up to {MOST_SYMBOLS} symbols."})
        return {**attrs, "symbols": symbols}


#: Writes a moment of a bucket: all series of an answer share it.
written: Final = lru_cache(maxsize=2_000)(writer_of(serializers.DateTimeField()))


class PointSerializer(serializers.Serializer[Point]):
    timestamp = serializers.DateTimeField()
    value = serializers.FloatField(allow_null=True)
    market_time = serializers.DateTimeField(
        required=False,
        help_text="Of the recorded candle last replayed in the interval; only where one was.",
    )

    def to_representation(self, instance: Point) -> dict[str, Any]:
        # An answer has thousands of them: what the fields say stands here once more.
        answer = {"timestamp": written(instance.timestamp), "value": instance.value}
        if instance.market_time is not None:
            answer["market_time"] = written(instance.market_time)
        return answer


class SeriesSerializer(serializers.Serializer[Any]):
    symbol = serializers.CharField(source="label")
    points = PointSerializer(many=True)


class TierSeriesSerializer(serializers.Serializer[Any]):
    tier = serializers.ChoiceField(Tier.choices, source="label")
    points = PointSerializer(many=True)


class HistorySerializer(serializers.Serializer[Any]):
    """A metric of the whole exchange."""

    metric = serializers.CharField()
    window = serializers.CharField()
    unit = serializers.CharField(help_text=UNITS)
    interval_seconds = serializers.IntegerField()
    points = PointSerializer(many=True)


class InstrumentHistorySerializer(serializers.Serializer[Any]):
    """A metric by instrument."""

    metric = serializers.CharField()
    window = serializers.CharField()
    unit = serializers.CharField(help_text="USDT")
    interval_seconds = serializers.IntegerField()
    series = SeriesSerializer(many=True)


class TierHistorySerializer(serializers.Serializer[Any]):
    """A metric by the tier of the accounts."""

    # By its name a reader tells it from a metric by instrument.
    metric = serializers.RegexField("_by_tier$")
    window = serializers.CharField()
    unit = serializers.CharField(help_text=UNITS)
    interval_seconds = serializers.IntegerField()
    series = TierSeriesSerializer(many=True)


#: By what a metric tells apart.
HISTORIES: Final = {
    "": HistorySerializer,
    "symbol": InstrumentHistorySerializer,
    "tier": TierHistorySerializer,
}


class SystemKpisSerializer(serializers.Serializer[Any]):
    latency_ms = serializers.FloatField(help_text="Mean latency of the API calls.")
    latency_p50_ms = serializers.FloatField(help_text="Interpolated from the latency histogram.")
    latency_p95_ms = serializers.FloatField()
    latency_p99_ms = serializers.FloatField()
    error_rate = serializers.FloatField(
        help_text="Share of the API calls answered with a status of 400 or more, refusals included."
    )
    uptime = serializers.FloatField(
        help_text="Share of the heartbeats due in the last 24 hours, or since the first one, that "
        "a worker wrote; 0 before the first."
    )
    requests = serializers.IntegerField(
        help_text="API calls in the window; probes, docs and the staff console are left out."
    )
    window_seconds = serializers.FloatField(
        help_text="What the figures but uptime cover: the time since the processes started, "
        "or the window as far as the history reaches back."
    )


class OpenInterestSerializer(serializers.Serializer[Any]):
    symbol = serializers.CharField()
    long = serializers.FloatField(help_text="USDT")
    short = serializers.FloatField(help_text="USDT")


class ExactInterestSerializer(serializers.Serializer[Any]):
    symbol = serializers.CharField()
    long = AmountField()
    short = AmountField()


class ExactAmountsSerializer(serializers.Serializer[Any]):
    """The amounts once more, under the same names, with every digit; USDT."""

    open_interest = ExactInterestSerializer(many=True)
    global_exposure = AmountField()
    global_exposure_threshold = AmountField()
    insurance_fund = AmountField()
    bad_debt = AmountField()


class TradingKpisSerializer(serializers.Serializer[Any]):
    total_orders = serializers.IntegerField(
        help_text="Stored orders: accepted, refused, and those that close out accounts."
    )
    rejected_orders = serializers.IntegerField()
    total_trades = serializers.IntegerField()
    liquidation_events = serializers.IntegerField(help_text="Close-outs of accounts.")
    open_positions = serializers.IntegerField()
    open_interest = OpenInterestSerializer(many=True)
    global_exposure = serializers.FloatField(help_text="USDT")
    global_exposure_threshold = serializers.FloatField(help_text="USDT")
    insurance_fund = serializers.FloatField(help_text="USDT")
    bad_debt = serializers.FloatField(
        help_text="USDT of losses that neither accounts nor the insurance fund could pay."
    )
    exact = ExactAmountsSerializer(source="*")


class SecurityKpisSerializer(serializers.Serializer[Any]):
    auth_failures = serializers.IntegerField(help_text="Requests answered with 401.")
    rate_limit_hits = serializers.IntegerField(help_text="Requests answered with 429.")
    total_requests = serializers.IntegerField(help_text="API calls.")
    cache_outages = serializers.IntegerField(
        help_text="Requests that passed uncounted because Redis did not answer."
    )
    active_keys = serializers.IntegerField()
    revoked_keys = serializers.IntegerField()


class HealthSerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=HealthStatus.choices)
    database = serializers.ChoiceField(choices=PartStatus.choices)
    cache = serializers.ChoiceField(choices=PartStatus.choices)
    worker = serializers.ChoiceField(choices=PartStatus.choices)
    version = serializers.CharField(help_text="Of the exchange, as in the changelog.")
