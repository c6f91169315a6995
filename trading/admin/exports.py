"""The columns in which orders, trades and liquidations are exported, named as on the API."""

from market.kernel.console.exports import RecordResource, text_field
from trading.models import Liquidation, Order, Trade

OWNER = ("user_id", "username")


class OwnedResource(RecordResource):
    """Rows of a user's account."""

    user_id = text_field("account__user_id")
    username = text_field("account__user__username")


class OrderResource(OwnedResource):
    class Meta:
        model = Order
        fields = export_order = (
            "id",
            "created_at",
            *OWNER,
            "client_order_id",
            "symbol",
            "side",
            "type",
            "size",
            "price",
            "leverage",
            "reduce_only",
            "liquidation",
            "venue",
            "status",
            "reject_code",
            "reject_detail",
            "filled_size",
            "average_price",
            "required_margin",
            "user_exposure_after",
            "global_exposure_after",
            "updated_at",
        )


class TradeResource(OwnedResource):
    symbol = text_field("instrument__symbol")
    order_id = text_field("order_id")
    liquidation_id = text_field("liquidation_id")

    class Meta:
        model = Trade
        fields = export_order = (
            "id",
            "created_at",
            *OWNER,
            "order_id",
            "symbol",
            "side",
            "size",
            "price",
            "notional",
            "leverage",
            "fee",
            "realized_pnl",
            "liquidation_id",
        )


class LiquidationResource(OwnedResource):
    class Meta:
        model = Liquidation
        fields = export_order = (
            "id",
            "created_at",
            *OWNER,
            "mode",
            "threshold",
            "margin_ratio_before",
            "margin_ratio_after",
            "equity_before",
            "equity_after",
            "margin_before",
            "margin_after",
            "insurance_paid",
            "bad_debt",
            "maintenance_before",
            "maintenance_after",
        )
