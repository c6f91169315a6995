"""Orders, trades, liquidations and the market step by hand."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import caller, must_be_owner, visible_user_id
from accounts.errors import StaffOnly
from accounts.permissions import RegulatorsRead, TicksOpen
from accounts.schema import ORDER_LIMIT_HEADERS, ORDER_LIMIT_REACHED
from accounts.throttling import limit_orders
from market.errors import UnknownSymbol
from market.kernel.api.asked import OwnerBody, OwnerQuery, QuerySerializer
from market.kernel.api.calls import Call, ListCall
from market.kernel.api.listing import LIST_ERRORS, ListQuery, filter_by
from market.kernel.api.schema import BODY_REFUSALS, errors
from market.kernel.errors import ExchangeError, Forbidden
from market.selectors import current_prices, listed_as
from market.serializers import PriceSerializer
from risk.denials import DENIALS
from trading.api.examples import NOTHING_TO_SAY
from trading.api.serializers import (
    ORDER_REQUEST,
    PLACEMENT,
    CancelSerializer,
    LiquidationSerializer,
    OrderSerializer,
    PlacementSerializer,
    TradeSerializer,
    ticket_of,
)
from trading.errors import (
    ClientOrderIdConflict,
    OrderNotFound,
    OrderNotOpen,
    OrderPending,
    OrderRejected,
)
from trading.models import Liquidation, Order, OrderStatus, Trade
from trading.orders.tickets import Outcome, Ticket
from trading.selectors import (
    LIQUIDATIONS,
    ORDERS,
    TRADES,
    get_order,
    liquidations_in,
    liquidations_of,
    orders_named,
    orders_of,
    trades_of,
)
from trading.services import cancel_order, place_orders
from trading.steps.step import run_market_step
from trading.venue_denials import VENUE_DENIALS

REPLAYED = "Idempotent-Replayed"

PLACEMENT_ERRORS = {
    **errors(400, **BODY_REFUSALS, **DENIALS, **VENUE_DENIALS),
    **errors(401, 403),
    **errors(409, client_order_id_conflict=ClientOrderIdConflict.detail),
    429: ORDER_LIMIT_REACHED,
}


def ticket_of_caller(request: Request, asked: Mapping[str, Any]) -> Ticket:
    """Return a validated order request as one of the caller. Raises Forbidden."""
    must_be_owner(request, asked.get("user_id"))
    return ticket_of(asked)


def answer_to(outcome: Outcome) -> Response:
    """Return the answer to a placed order. Raises OrderRejected, or what became of it."""
    if isinstance(outcome, ExchangeError):
        raise outcome
    headers = {REPLAYED: "true"} if outcome.replayed else {}
    if outcome.denial is not None:
        raise OrderRejected(outcome.denial, order_id=outcome.order.pk, headers=headers)
    return Response(PLACEMENT.to_representation(outcome.order), headers=headers)


class OrderQuery(ListQuery):
    status = serializers.ChoiceField(choices=OrderStatus.choices, required=False)
    client_order_id = serializers.CharField(
        required=False, max_length=64, help_text="The name that the order was given."
    )


class OrderListView(ListCall[Order]):
    """Orders: place one, list them."""

    queries = {"get": OrderQuery(), "post": OwnerQuery()}
    bodies = {"post": ORDER_REQUEST}
    orders_asked = {"POST": 1}

    serializer_class = OrderSerializer
    rows = ORDERS

    @extend_schema(
        summary="Orders, newest first",
        responses={200: OrderSerializer(many=True), **LIST_ERRORS},
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @extend_schema(
        summary="Place an order",
        parameters=ORDER_LIMIT_HEADERS,
        responses={200: PlacementSerializer, **PLACEMENT_ERRORS},
    )
    def post(self, request: Request) -> Response:
        limit_orders(request, orders=1)
        must_be_owner(request, self.query.get("user_id"))
        ticket = ticket_of_caller(request, self.read_body())
        [outcome] = place_orders(user_id=caller(request).pk, tickets=[ticket])
        return answer_to(outcome)

    def get_queryset(self) -> QuerySet[Order]:
        filters = self.filters
        user_id = visible_user_id(self.request, filters.pop("user_id", None))
        name = filters.pop("client_order_id", None)
        rows = orders_named(name, user_id=user_id) if name else orders_of(user_id=user_id)
        return filter_by(rows, symbol_field="symbol", time_field="created_at", **filters)


class OrderView(Call):
    """One order."""

    queries = {"get": OwnerQuery()}

    @extend_schema(
        operation_id="order",
        summary="One order",
        responses={
            200: OrderSerializer,
            **errors(400, 401, 403, 429),
            **errors(404, order_not_found=OrderNotFound.detail),
        },
    )
    def get(self, request: Request, order_id: int) -> Response:
        order = get_order(
            order_id=order_id, user_id=visible_user_id(request, self.query.get("user_id"))
        )
        return Response(OrderSerializer(order).data)


class CancelView(Call):
    """Cancels an order."""

    queries = {"post": OwnerQuery()}
    bodies = {"post": OwnerBody()}

    @extend_schema(
        operation_id="order_cancel",
        summary="Cancel an order",
        examples=[NOTHING_TO_SAY],
        responses={
            200: CancelSerializer,
            **errors(400, **BODY_REFUSALS, order_not_open=OrderNotOpen.detail),
            **errors(401, 403, 429),
            **errors(404, order_not_found=OrderNotFound.detail),
            **errors(409, order_pending=OrderPending.detail),
        },
    )
    def post(self, request: Request, order_id: int) -> Response:
        for asked in (self.query, self.read_body()):
            must_be_owner(request, asked.get("user_id"))
        order = cancel_order(order_id=order_id, user_id=caller(request).pk)
        return Response(CancelSerializer(order).data)


class TradeListView(ListCall[Trade]):
    """Trades, newest first."""

    queries = {"get": ListQuery()}
    serializer_class = TradeSerializer
    rows = TRADES

    @extend_schema(
        summary="Trades, newest first",
        responses={200: TradeSerializer(many=True), **LIST_ERRORS},
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    def get_queryset(self) -> QuerySet[Trade]:
        filters = self.filters
        return filter_by(
            trades_of(user_id=visible_user_id(self.request, filters.pop("user_id", None))),
            symbol_field="instrument",
            known_as=listed_as,
            time_field="created_at",
            **filters,
        )


class LiquidationListView(ListCall[Liquidation]):
    """Close-outs, newest first."""

    queries = {"get": ListQuery()}
    serializer_class = LiquidationSerializer
    rows = LIQUIDATIONS

    @extend_schema(
        summary="Liquidations, newest first",
        responses={200: LiquidationSerializer(many=True), **LIST_ERRORS},
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    def get_queryset(self) -> QuerySet[Liquidation]:
        filters = self.filters
        return filter_by(
            liquidations_of(user_id=visible_user_id(self.request, filters.pop("user_id", None))),
            symbol_field="pk__in",
            known_as=liquidations_in,
            time_field="created_at",
            **filters,
        )


class TickQuery(QuerySerializer):
    symbol = serializers.CharField(required=False, max_length=20, help_text="Step only this one.")


class TickSerializer(serializers.Serializer[dict[str, Any]]):
    """Prices after a market step; ``refreshed`` is true when it took at least one of them.

    It is false when the last step was too recent (of one instrument: its last mark or attempt),
    when another one runs, and when no source gave a price within the price collar.
    """

    prices = PriceSerializer(many=True)
    refreshed = serializers.BooleanField()


class TickView(Call):
    """Runs one market step: prices, fills of reached limit orders, close-outs."""

    queries = {"post": TickQuery()}
    permission_classes = (IsAuthenticated, RegulatorsRead, TicksOpen)

    @extend_schema(
        operation_id="market_tick",
        summary="Run one market step",
        responses={
            200: TickSerializer,
            **errors(400, 401, 429),
            **errors(403, staff_only=StaffOnly.detail, permission_denied=Forbidden.detail),
            **errors(404, unknown_symbol=UnknownSymbol.detail),
        },
    )
    def post(self, request: Request) -> Response:
        result = run_market_step(
            symbol=self.query.get("symbol"),
            min_interval_seconds=settings.TICK_MIN_INTERVAL_SECONDS,
        )
        body = {"prices": current_prices(), "refreshed": bool(result.quotes)}
        return Response(TickSerializer(body).data)
