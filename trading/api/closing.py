"""Closing a position whole, in one call."""

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import caller, must_be_owner
from accounts.schema import ORDER_LIMIT_HEADERS
from accounts.throttling import limit_orders
from market.errors import UnknownSymbol
from market.kernel.api.asked import BodySerializer, OwnerQuery
from market.kernel.api.calls import Call
from market.kernel.api.schema import errors
from market.kernel.errors import InvalidRequest
from trading.api.examples import CLOSING_EXAMPLE, NOTHING_TO_SAY
from trading.api.serializers import ORDER_REQUEST, PlacementSerializer
from trading.api.views import PLACEMENT_ERRORS, answer_to
from trading.services import close_position


class CloseRequestSerializer(BodySerializer):
    """Whose position is closed, and under which name; the body may be left out."""

    user_id = serializers.IntegerField(
        required=False, allow_null=True, help_text="Yours; may be left out."
    )
    client_order_id = serializers.CharField(
        required=False,
        allow_null=True,
        max_length=64,
        help_text="Makes the closing order idempotent: the same call again gets the first answer.",
    )


class CloseView(Call):
    """Closes an open position; counts as one request and as one order."""

    queries = {"post": OwnerQuery()}
    bodies = {"post": CloseRequestSerializer()}
    orders_asked = {"POST": 1}

    @extend_schema(
        operation_id="position_close",
        summary="Close a position whole",
        description="Places a reduce-only market order of the whole position. How large that is, "
        "and which side closes it, is decided with the order, so that it never opens the other "
        "way; smaller than `min_notional` is closed too. Answers as `POST /orders` does. With "
        "nothing to close the order is stored as refused, `reduce_only_rejected`; an unlisted "
        "symbol is no order, but 404.",
        parameters=[
            OpenApiParameter("symbol", str, OpenApiParameter.PATH, description="In any case."),
            *ORDER_LIMIT_HEADERS,
        ],
        responses={
            200: PlacementSerializer,
            **PLACEMENT_ERRORS,
            **errors(404, unknown_symbol=UnknownSymbol.detail),
        },
        examples=[
            NOTHING_TO_SAY,
            OpenApiExample("named", value={"client_order_id": "my-close-1"}, request_only=True),
            CLOSING_EXAMPLE,
        ],
    )
    def post(self, request: Request, symbol: str) -> Response:
        limit_orders(request, orders=1)
        asked = self.read_body()
        must_be_owner(request, self.query.get("user_id"))
        must_be_owner(request, asked.get("user_id"))
        outcome = close_position(
            user_id=caller(request).pk,
            symbol=symbol_in(symbol),
            client_order_id=asked.get("client_order_id"),
        )
        return answer_to(outcome)


def symbol_in(path: str) -> str:
    """Return the symbol that a path names, as an order may name it. Raises InvalidRequest."""
    try:
        symbol = ORDER_REQUEST.fields["symbol"].run_validation(path)
    except serializers.ValidationError as error:
        raise InvalidRequest({"symbol": error.detail}) from error
    return str(symbol).upper()[:20]
