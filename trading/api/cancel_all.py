"""Cancelling all open orders in one call."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import caller, must_be_owner
from market.errors import UnknownSymbol
from market.kernel.api.asked import OwnerBody, QuerySerializer
from market.kernel.api.calls import Call
from market.kernel.api.schema import BODY_REFUSALS, errors
from market.kernel.errors import InvalidRequest
from trading.api.examples import CANCEL_ALL_EXAMPLE
from trading.services import cancel_all_orders
from trading.venues.orders import Cancellations


class CancelAllSerializer(OwnerBody):
    """Whose orders are cancelled, and in which instrument; all of it may be left out."""

    symbol = serializers.CharField(
        required=False, max_length=20, help_text="In any case. Left out: all instruments."
    )


class CancelAllQuery(QuerySerializer, CancelAllSerializer):
    """The same in the query, where an empty symbol is not one left out, as it is in a list."""

    def to_internal_value(self, data: Any) -> Any:
        if data.get("symbol") == "":
            raise serializers.ValidationError({"symbol": ["Name one, or leave it out."]})
        return super().to_internal_value(data)


class OrderLeftSerializer(serializers.Serializer[Any]):
    """An order at another venue that is not cancelled yet, and why."""

    order_id = serializers.IntegerField()
    code = serializers.CharField()
    detail = serializers.CharField()


class CanceledSerializer(serializers.Serializer[Any]):
    """The ids of the orders that this call cancelled; none where none was open."""

    canceled = serializers.ListField(child=serializers.IntegerField())
    count = serializers.IntegerField(help_text="How many these are.")
    not_canceled = OrderLeftSerializer(
        many=True,
        help_text="Orders at another venue that may still be open, with what a cancel of each "
        "would have been refused with.",
    )


class CancelAllView(Call):
    """Cancels all open orders of the caller; counts as one request."""

    queries = {"post": CancelAllQuery()}
    bodies = {"post": CancelAllSerializer()}

    @extend_schema(
        operation_id="order_cancel_all",
        summary="Cancel all open orders",
        description="Ends what is open when the call comes in: at once where orders rest here, "
        "one after the other at another venue. What has filled or ended meanwhile is left out. "
        "`user_id` and `symbol` are taken from the query as well as from the body.",
        responses={
            200: CanceledSerializer,
            **errors(400, 401, 403, 429, 503, **BODY_REFUSALS),
            **errors(404, unknown_symbol=UnknownSymbol.detail),
        },
        examples=[
            OpenApiExample("all", value={}, request_only=True),
            OpenApiExample("one instrument", value={"symbol": "BTCUSDT"}, request_only=True),
            CANCEL_ALL_EXAMPLE,
        ],
    )
    def post(self, request: Request) -> Response:
        asked = asked_in(self.query, self.read_body())
        must_be_owner(request, asked.get("user_id"))
        done = cancel_all_orders(user_id=caller(request).pk, symbol=asked.get("symbol"))
        return Response(CanceledSerializer(answer_of(done)).data)


def asked_in(query: Mapping[str, Any], body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what query and body ask for together. Raises InvalidRequest."""
    for name in query.keys() & body.keys():
        if query[name] != body[name]:
            raise InvalidRequest({name: ["The query and the body name two different ones."]})
    return {**query, **body}


def answer_of(done: Cancellations) -> dict[str, Any]:
    left = [
        {"order_id": order_id, "code": error.code, "detail": error.detail}
        for order_id, error in done.left.items()
    ]
    return {"canceled": done.canceled, "count": len(done.canceled), "not_canceled": left}
