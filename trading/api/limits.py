"""The limits that the caller is held to, and how far they are used up."""

from typing import Any, Final

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import caller, must_be_owner
from accounts.errors import AccountNotFound
from accounts.models import Tier
from accounts.rate_limits import Usage
from accounts.throttling import request_weights, usage_of_orders, usage_of_requests
from market.kernel.api.answers import AnswerSerializer
from market.kernel.api.asked import OwnerQuery
from market.kernel.api.calls import Call
from market.kernel.api.fields import AmountField
from market.kernel.api.schema import errors
from market.kernel.states import TradingState
from risk.maintenance import Bracket
from trading.api.examples import (
    LIMITS_BY_BRACKETS,
    LIMITS_BY_CONTROLS,
    LIMITS_BY_VOLATILITY,
    LIMITS_EXAMPLE,
    LIMITS_THROTTLED,
)
from trading.limits import account_limits

#: What is told of a control only where it is on.
CONTROLS: Final = (
    "max_order_value",
    "price_band",
    "duplicate_seconds",
    "minute_value",
    "fills",
    "throttled",
)


class RoomSerializer(serializers.Serializer[Any]):
    """A limit in USDT."""

    limit = AmountField()
    used = AmountField()
    left = AmountField(help_text="0 once the limit is passed, as moving marks may do.")


class CountSerializer(serializers.Serializer[Any]):
    """A limit of how many."""

    limit = serializers.IntegerField()
    used = serializers.IntegerField()
    left = serializers.IntegerField()


class FillsSerializer(CountSerializer):
    """The same of fills in a window."""

    window_seconds = serializers.IntegerField()


class RateSerializer(serializers.Serializer[Any]):
    """A limit of how many in a window of the API key."""

    limit = serializers.IntegerField()
    left = serializers.IntegerField(source="remaining", help_text="From the next one on.")
    reset = serializers.IntegerField(
        help_text="When the window ends, in seconds since the epoch; then all of them are left."
    )


class BracketSerializer(AnswerSerializer[Bracket]):
    """A maintenance bracket: up to a notional, notional × rate − cumulative is required."""

    cap = AmountField(help_text="Largest notional of a position, in USDT.")
    rate = AmountField(help_text="Maintenance, as a share of the notional.")
    max_leverage = serializers.IntegerField(help_text="Of an order that comes to such a notional.")
    cumulative = AmountField(help_text="USDT, which make it go on where the one below it ends.")


class LimitsSerializer(serializers.Serializer[Any]):
    """What an order of yours is held to."""

    user_id = serializers.IntegerField()
    tier = serializers.ChoiceField(choices=Tier.choices)
    max_leverage = serializers.IntegerField(help_text="The highest that your tier allows.")
    max_order_value = AmountField(
        required=False,
        help_text="Largest size × price of an order that may open, where your tier has one; an "
        "instrument may have less.",
    )
    price_band = AmountField(
        required=False,
        help_text="Furthest that the price of a limit order may be from the mark, as a share of "
        "it, where there is a limit.",
    )
    duplicate_seconds = serializers.IntegerField(
        required=False,
        help_text="For so many seconds an equal order that may open is refused, where one is.",
    )
    minute_value = RoomSerializer(
        required=False,
        help_text="Size × price of your accepted orders that may open, in the last 60 s; where "
        "your tier has a limit.",
    )
    fills = FillsSerializer(
        required=False,
        help_text="Your fills that the throttle of repeated execution counts, where it is on: with "
        "the last that is left your account may only reduce, until staff resume it; then none "
        "counts, and nothing is told.",
    )
    throttled = serializers.CharField(
        required=False,
        help_text="What the throttle counted when it let your account only reduce, such as "
        "`5 fills in 60 s`.",
    )
    leverage_by_symbol = serializers.DictField(
        child=serializers.IntegerField(),
        required=False,
        help_text="The highest for orders that open, as the range of each instrument's marks "
        "leaves it now. Only where the policy has bands of volatility.",
    )
    request_weights = serializers.DictField(
        child=serializers.IntegerField(),
        required=False,
        help_text="Calls that count as several requests, where there are such.",
    )
    maintenance_brackets = serializers.DictField(
        child=BracketSerializer(many=True),
        required=False,
        help_text="By symbol, the lowest first. Only where the policy holds positions to brackets; "
        "in an instrument that is not among them nothing may open.",
    )
    state = serializers.ChoiceField(
        choices=[TradingState.REDUCING],
        required=False,
        help_text="Where your orders may only reduce, by the state of the exchange, your account "
        "or your tier.",
    )
    user_exposure = RoomSerializer(help_text="Yours.")
    global_exposure = RoomSerializer(help_text="Of all accounts together.")
    open_orders = CountSerializer(help_text="Those that rest, on all venues.")
    requests = RateSerializer(
        allow_null=True,
        help_text="Of your API key, this call counted. Null where nothing limits them, or nobody "
        "can tell at present.",
    )
    orders = RateSerializer(
        allow_null=True,
        help_text="The same of orders, of which this call is none; where several limits hold them, "
        "of the one that leaves least.",
    )


class LimitsView(Call):
    """The caller's limits; counts as one request."""

    queries = {"get": OwnerQuery()}
    orders_asked = {"GET": 0}

    @extend_schema(
        operation_id="account_limits",
        summary="Your limits, and what is left of them",
        responses={
            200: LimitsSerializer,
            **errors(400, 401, 403, 429, 503),
            **errors(404, account_not_found=AccountNotFound.detail),
        },
        examples=[
            LIMITS_EXAMPLE,
            LIMITS_BY_CONTROLS,
            LIMITS_BY_VOLATILITY,
            LIMITS_BY_BRACKETS,
            LIMITS_THROTTLED,
        ],
    )
    def get(self, request: Request) -> Response:
        must_be_owner(request, self.query.get("user_id"))
        user = caller(request)
        limits = account_limits(user_id=user.pk)
        own: dict[str, Any] = {
            name: value for name in CONTROLS if (value := getattr(limits, name)) not in (None, "")
        }
        if limits.state == TradingState.REDUCING:
            own["state"] = limits.state
        rates: dict[str, Usage | None] = {
            "requests": usage_of_requests(request),
            "orders": usage_of_orders(request),
        }
        body: dict[str, Any] = {
            "user_id": user.pk,
            "tier": user.tier,
            "max_leverage": limits.max_leverage,
            **own,
            "user_exposure": limits.user_exposure,
            "global_exposure": limits.global_exposure,
            "open_orders": limits.open_orders,
            **rates,
        }
        if weights := request_weights(request):
            body["request_weights"] = weights
        if limits.leverage_by_symbol is not None:
            body["leverage_by_symbol"] = limits.leverage_by_symbol
        if limits.ladders is not None:
            body["maintenance_brackets"] = limits.ladders
        return Response(LimitsSerializer(body).data)
