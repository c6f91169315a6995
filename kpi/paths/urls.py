"""Where the pages of the console fetch their charts."""

from django.urls import path

from kpi.paths.views import account_path, close_out_path, instrument_candles, position_path

urlpatterns = [
    path("accounts/<int:key>/", account_path, name="account-path"),
    path("positions/<int:key>/", position_path, name="position-path"),
    path("close-outs/<int:key>/", close_out_path, name="close-out-path"),
    path("instruments/<int:key>/", instrument_candles, name="instrument-candles"),
]
