from django.urls import path

from trading.api.batch import OrderBatchView
from trading.api.cancel_all import CancelAllView
from trading.api.closing import CloseView
from trading.api.limits import LimitsView
from trading.api.ready import ReadyView
from trading.api.views import (
    CancelView,
    LiquidationListView,
    OrderListView,
    OrderView,
    TickView,
    TradeListView,
)

urlpatterns = [
    path("orders", OrderListView.as_view(), name="orders"),
    path("orders/batch", OrderBatchView.as_view(), name="order-batch"),
    path("orders/cancel-all", CancelAllView.as_view(), name="order-cancel-all"),
    path("orders/<int:order_id>", OrderView.as_view(), name="order"),
    path("orders/<int:order_id>/cancel", CancelView.as_view(), name="order-cancel"),
    path("positions/<str:symbol>/close", CloseView.as_view(), name="position-close"),
    path("account/limits", LimitsView.as_view(), name="account-limits"),
    path("trades", TradeListView.as_view(), name="trades"),
    path("liquidations", LiquidationListView.as_view(), name="liquidations"),
    path("market/ready", ReadyView.as_view(), name="market-ready"),
    path("market/tick", TickView.as_view(), name="market-tick"),
]
