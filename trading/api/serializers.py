"""How orders, trades and liquidations look on the wire."""

from collections.abc import Mapping
from typing import Any, Final

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from market.kernel.api.answers import AnswerSerializer
from market.kernel.api.asked import BodySerializer
from market.kernel.api.fields import AmountField, AmountInputField, WordField
from risk.engine import Intent
from trading.models import Liquidation, Order, OrderStatus, OrderType, Side, Trade
from trading.orders.tickets import Ticket


class FlagField(serializers.BooleanField):
    """A boolean that may be null; DRF would take an empty text for null as well."""

    NULL_VALUES: set[str | None] = {None}


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "market order",
            value={"symbol": "BTCUSDT", "side": "buy", "size": "0.1", "leverage": 5},
            request_only=True,
        ),
        OpenApiExample(
            "limit order",
            value={
                "symbol": "ETHUSDT",
                "side": "sell",
                "type": "limit",
                "size": "1.5",
                "price": "3400.00",
                "client_order_id": "my-order-1",
            },
            request_only=True,
        ),
    ]
)
class OrderRequestSerializer(BodySerializer):
    """An order as a client asks for it."""

    user_id = serializers.IntegerField(
        required=False, allow_null=True, help_text="Yours; may be left out."
    )
    symbol = serializers.CharField(max_length=20, help_text="In any case.")
    side = WordField(choices=Side.choices, help_text="In any case.")
    size = AmountInputField(help_text="In base asset; a multiple of the lot size.")
    leverage = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        help_text="Left out: the highest that your tier allows, less what volatility takes of it.",
    )
    type = WordField(
        choices=OrderType.choices,
        required=False,
        allow_null=True,
        help_text="Left out: market. In any case.",
    )
    price = AmountInputField(
        required=False,
        allow_null=True,
        help_text="The limit of a limit order, a multiple of the tick size; a market order "
        "takes no notice of it, but a repeated one must name the same.",
    )
    reduce_only = FlagField(required=False, allow_null=True, help_text="Left out: false.")
    client_order_id = serializers.CharField(
        required=False,
        allow_null=True,
        max_length=64,
        help_text="Makes the order idempotent: the same body again gets the first answer.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Take null for left out, and name what is meant by it."""
        given = {name: value for name, value in attrs.items() if value is not None}
        asked = {"type": OrderType.MARKET, "reduce_only": False, **given}
        if asked["type"] == OrderType.LIMIT and "price" not in asked:
            raise serializers.ValidationError({"price": ["A limit order needs a price."]})
        return asked


#: One instance reads every request: building the fields anew costs more than reading them.
ORDER_REQUEST: Final = OrderRequestSerializer()


def ticket_of(asked: Mapping[str, Any]) -> Ticket:
    """Return a validated order request as the trading services take it."""
    price, is_limit = asked.get("price"), asked["type"] == OrderType.LIMIT
    intent = Intent(
        symbol=asked["symbol"].upper()[:20],
        is_buy=asked["side"] == Side.BUY,
        size=asked["size"],
        price=price if is_limit else None,
        leverage=asked.get("leverage"),
        reduce_only=asked["reduce_only"],
    )
    return Ticket(intent, asked.get("client_order_id"), idle_price=None if is_limit else price)


class OrderSerializer(AnswerSerializer[Order]):
    """An order. ``price`` is its limit, or what a market order was filled at on average."""

    order_id = serializers.IntegerField(source="pk")
    client_order_id = serializers.CharField(allow_null=True)
    user_id = serializers.IntegerField(source="account.user_id")
    symbol = serializers.CharField()
    side = serializers.ChoiceField(choices=Side.choices)
    type = serializers.ChoiceField(choices=OrderType.choices)
    size = AmountField()
    filled_size = AmountField()
    leverage = serializers.IntegerField(allow_null=True)
    price = AmountField(allow_null=True, source="shown_price")
    average_price = AmountField(allow_null=True, help_text="Of its fills; null without any.")
    reduce_only = serializers.BooleanField()
    status = serializers.ChoiceField(choices=OrderStatus.choices)
    reject_code = serializers.CharField(
        allow_null=True, source="shown_reject_code", help_text="Why it was refused or expired."
    )
    created_at = serializers.DateTimeField()


class PlacementSerializer(AnswerSerializer[Order]):
    """The answer to an accepted order; amounts in USDT."""

    order = OrderSerializer(source="*")
    required_margin = AmountField(help_text="Margin of the part that opens, or reserved by it.")
    user_exposure_after = AmountField()
    global_exposure_after = AmountField()


#: One instance writes every answer, as ORDER_REQUEST reads every request.
PLACEMENT: Final = PlacementSerializer()


class CancelSerializer(AnswerSerializer[Order]):
    """The answer to a cancel."""

    order_id = serializers.IntegerField(source="pk")
    status = serializers.ChoiceField(choices=[OrderStatus.CANCELED])
    detail = serializers.SerializerMethodField()

    def get_detail(self, order: Order) -> str:
        return f"Order {order.pk} is canceled."


class TradeSerializer(AnswerSerializer[Trade]):
    """One fill; amounts in USDT."""

    trade_id = serializers.IntegerField(source="pk")
    order_id = serializers.IntegerField()
    user_id = serializers.IntegerField(source="account.user_id")
    symbol = serializers.CharField(source="instrument.symbol")
    side = serializers.ChoiceField(choices=Side.choices)
    size = AmountField()
    price = AmountField()
    notional = AmountField(help_text="Size × price.")
    leverage = serializers.IntegerField()
    fee = AmountField()
    realized_pnl = AmountField(help_text="Earned by the part that closed.")
    liquidation = serializers.SerializerMethodField(help_text="Whether it closed a position out.")
    created_at = serializers.DateTimeField()

    def get_liquidation(self, trade: Trade) -> bool:
        return trade.liquidation_id is not None


class LiquidationSerializer(AnswerSerializer[Liquidation]):
    """One close-out of an account; amounts in USDT."""

    liquidation_id = serializers.IntegerField(source="pk")
    user_id = serializers.IntegerField(source="account.user_id")
    margin_ratio_before = AmountField(
        allow_null=True, help_text="Null: its positions were dust that tied up no margin."
    )
    margin_ratio_after = AmountField(allow_null=True, help_text="Null: no position is left.")
    equity_before = AmountField()
    equity_after = AmountField()
    margin_before = AmountField()
    margin_after = AmountField()
    maintenance_before = AmountField(
        required=False,
        help_text="What the brackets required, which equity was below; left out where it was a "
        "share of the margin.",
    )
    maintenance_after = AmountField(required=False, help_text="The same of what is left.")
    insurance_paid = AmountField()
    bad_debt = AmountField()
    trades = TradeSerializer(many=True, source="closing_trades")
    created_at = serializers.DateTimeField()
