"""Up to fifty orders of one account in one request and transaction, each with its own result."""

from collections.abc import Sequence
from typing import Any, Final

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import caller, must_be_owner
from accounts.schema import ORDER_LIMIT_HEADERS, ORDER_LIMIT_REACHED
from accounts.throttling import limit_orders
from market.kernel.api.asked import BodySerializer, OwnerQuery
from market.kernel.api.calls import Call
from market.kernel.api.schema import BODY_REFUSALS, errors
from market.kernel.errors import ExchangeError, InvalidRequest
from trading.api.examples import BATCH_EXAMPLE
from trading.api.serializers import (
    ORDER_REQUEST,
    PLACEMENT,
    OrderRequestSerializer,
    OrderSerializer,
)
from trading.api.views import ticket_of_caller
from trading.errors import OrderRejected
from trading.orders.tickets import Outcome, Ticket
from trading.services import place_orders

MOST_ORDERS: Final = 50


@extend_schema_field(OrderRequestSerializer(many=True))
class OrderRequestsField(serializers.ListField):
    """Orders as they came; each is read, and if need be refused, by itself."""


class BatchRequestSerializer(BodySerializer):
    """Several orders of the caller, decided on in the order in which they stand."""

    orders = OrderRequestsField(min_length=1, max_length=MOST_ORDERS)


class BatchResultSerializer(serializers.Serializer[dict[str, Any]]):
    """What ``POST /orders`` would have answered to one of the orders."""

    status_code = serializers.IntegerField(help_text="200, or the status of the refusal.")
    idempotent_replayed = serializers.BooleanField(
        help_text="Whether an earlier order of this client_order_id is answered again."
    )
    order = OrderSerializer(required=False)
    required_margin = serializers.CharField(required=False)
    user_exposure_after = serializers.CharField(required=False)
    global_exposure_after = serializers.CharField(required=False)
    detail = serializers.CharField(required=False)
    code = serializers.CharField(required=False)
    order_id = serializers.IntegerField(required=False, help_text="Of the stored refused order.")
    errors = serializers.DictField(  # type: ignore[assignment]
        child=serializers.ListField(child=serializers.CharField()), required=False
    )


class BatchSerializer(serializers.Serializer[dict[str, Any]]):
    """One result per order, in the order of the request."""

    results = BatchResultSerializer(many=True)


class OrderBatchView(Call):
    """Places several orders at once; counts as one request and as its orders."""

    queries = {"post": OwnerQuery()}
    bodies = {"post": BatchRequestSerializer()}

    @extend_schema(
        operation_id="order_batch",
        summary="Place up to 50 orders",
        examples=[BATCH_EXAMPLE],
        parameters=ORDER_LIMIT_HEADERS,
        responses={
            200: BatchSerializer,
            **errors(400, 401, 403, **BODY_REFUSALS),
            429: ORDER_LIMIT_REACHED,
        },
    )
    def post(self, request: Request) -> Response:
        must_be_owner(request, self.query.get("user_id"))
        orders = self.read_body()["orders"]
        limit_orders(request, orders=len(orders))
        entries = [read_entry(request, data) for data in orders]
        return Response({"results": place_entries(caller(request).pk, entries)})


def read_entry(request: Request, data: Any) -> Ticket | ExchangeError:
    """Return one order of the batch, or why it can't be read."""
    try:
        return ticket_of_caller(request, ORDER_REQUEST.run_validation(data))
    except ValidationError as error:
        return InvalidRequest(error.detail)
    except ExchangeError as error:
        return error


def place_entries(user_id: int, entries: Sequence[Ticket | ExchangeError]) -> list[dict[str, Any]]:
    """Place what could be read and return the results of all, in their order."""
    tickets = [entry for entry in entries if isinstance(entry, Ticket)]
    outcomes = iter(place_orders(user_id=user_id, tickets=tickets))
    return [result_of(next(outcomes) if isinstance(entry, Ticket) else entry) for entry in entries]


def result_of(outcome: Outcome) -> dict[str, Any]:
    """Return the result of one order as it goes out."""
    if isinstance(outcome, ExchangeError):
        return refusal(outcome, replayed=False)
    if outcome.denial is not None:
        error = OrderRejected(outcome.denial, order_id=outcome.order.pk)
        return refusal(error, replayed=outcome.replayed)
    answer = PLACEMENT.to_representation(outcome.order)
    return {"status_code": 200, "idempotent_replayed": outcome.replayed, **answer}


def refusal(error: ExchangeError, *, replayed: bool) -> dict[str, Any]:
    return {"status_code": error.status, "idempotent_replayed": replayed, **error.body}
