from django.urls import path

from market.api import CandleListView, InstrumentListView, PriceListView, PriceView, TimeView

urlpatterns = [
    path("time", TimeView.as_view(), name="time"),
    path("market/price/<str:symbol>", PriceView.as_view(), name="market-price"),
    path("market/prices", PriceListView.as_view(), name="market-prices"),
    path("market/instruments", InstrumentListView.as_view(), name="market-instruments"),
    path("market/candles/<str:symbol>", CandleListView.as_view(), name="market-candles"),
]
