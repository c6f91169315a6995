"""Prices, candles and instruments."""

from typing import Final

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from market.candles import candles
from market.errors import NoPrice, UnknownSymbol
from market.examples import CANDLE_EXAMPLE, INSTRUMENT_EXAMPLE, PRICE_EXAMPLE, TIME_EXAMPLE
from market.kernel.api.calls import Call, WholeListCall
from market.kernel.api.schema import errors
from market.selectors import current_prices, instruments, priced_instrument
from market.serializers import (
    CANDLE,
    CANDLE_QUERY,
    INSTRUMENT,
    PRICE,
    TIME,
    CandleSerializer,
    InstrumentSerializer,
    PriceSerializer,
    TimeSerializer,
)

#: No cache on the way may answer with an old time.
NOT_KEPT: Final = {"Cache-Control": "no-store"}


class TimeView(Call):
    """The exchange's clock.

    Open and not limited, as exchanges have it: who is refused for a token that has expired, or
    waits for a rate limit's end, finds out here whether their own clock is wrong. It costs less
    than ``GET /health``: nothing is asked of the database or of Redis.
    """

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()

    @extend_schema(
        tags=["market"],
        operation_id="time",
        summary="The exchange's time",
        description="Needs no token and counts towards no limit.",
        responses={200: TimeSerializer, **errors(400)},
        examples=[TIME_EXAMPLE],
    )
    def get(self, request: Request) -> Response:
        return Response(TIME.to_representation(timezone.now()), headers=NOT_KEPT)


class PriceView(Call):
    """The mark price of one instrument."""

    @extend_schema(
        operation_id="market_price",
        summary="Mark price of an instrument",
        responses={
            200: PriceSerializer,
            **errors(400, 401, 429, 503),
            **errors(404, unknown_symbol=UnknownSymbol.detail, no_price=NoPrice.detail),
        },
        examples=[PRICE_EXAMPLE],
    )
    def get(self, request: Request, symbol: str) -> Response:
        return Response(PRICE.to_representation(priced_instrument(symbol=symbol)))


class PriceListView(WholeListCall):
    """The mark prices of all instruments."""

    @extend_schema(
        operation_id="market_prices",
        summary="Mark prices of all instruments",
        responses={200: PriceSerializer(many=True), **errors(400, 401, 429, 503)},
        examples=[PRICE_EXAMPLE],
    )
    def get(self, request: Request) -> Response:
        return self.whole_list([PRICE.to_representation(priced) for priced in current_prices()])


class InstrumentListView(WholeListCall):
    """The rules of all instruments."""

    @extend_schema(
        operation_id="market_instruments",
        summary="Instruments and their rules",
        responses={200: InstrumentSerializer(many=True), **errors(400, 401, 429, 503)},
        examples=[INSTRUMENT_EXAMPLE],
    )
    def get(self, request: Request) -> Response:
        return self.whole_list([INSTRUMENT.to_representation(one) for one in instruments()])


class CandleListView(WholeListCall):
    """Candles of mark prices."""

    queries = {"get": CANDLE_QUERY}

    @extend_schema(
        operation_id="market_candles",
        summary="Candles of an instrument's mark price, oldest first",
        description="Without `start` and `end` the last intervals up to the last mark, those "
        "without a mark left out. With either, no interval is missing from the first mark ever to "
        "the present: one without a mark repeats the last close, with 0 `ticks`. All history is "
        "read by going on with a `start` behind the last `open_time`.",
        responses={
            200: CandleSerializer(many=True),
            **errors(400, 401, 429, 503),
            **errors(404, unknown_symbol=UnknownSymbol.detail),
        },
        examples=[CANDLE_EXAMPLE],
    )
    def get(self, request: Request, symbol: str) -> Response:
        rows = candles(symbol=symbol, **self.query)
        return self.whole_list([CANDLE.to_representation(row) for row in rows])
