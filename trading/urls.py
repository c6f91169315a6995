from django.urls import path

from trading.api import (
    CancelView,
    LiquidationListView,
    OrderListView,
    OrderView,
    TickView,
    TradeListView,
)
from trading.batch_api import OrderBatchView

urlpatterns = [
    path("orders", OrderListView.as_view(), name="orders"),
    path("orders/batch", OrderBatchView.as_view(), name="order-batch"),
    path("orders/<int:order_id>", OrderView.as_view(), name="order"),
    path("orders/<int:order_id>/cancel", CancelView.as_view(), name="order-cancel"),
    path("trades", TradeListView.as_view(), name="trades"),
    path("liquidations", LiquidationListView.as_view(), name="liquidations"),
    path("market/tick", TickView.as_view(), name="market-tick"),
]
