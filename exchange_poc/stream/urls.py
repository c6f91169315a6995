"""The one address of the stream server. The exchange's others would bring the console along."""

from django.urls import path

from exchange_poc.stream.door import PATH
from kpi.stream.api import StreamView

urlpatterns = [path(PATH.removeprefix("/"), StreamView.as_view(), name="stream")]

handler400 = "market.kernel.api.exceptions.bad_request"
handler500 = "market.kernel.api.exceptions.server_error"
