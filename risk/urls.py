from django.urls import path

from risk.api import AccountView, MyAccountView, PositionListView, PositionView

urlpatterns = [
    path("account/me", MyAccountView.as_view(), name="account-me"),
    path("account/<int:user_id>", AccountView.as_view(), name="account"),
    path("positions", PositionListView.as_view(), name="positions"),
    path("positions/<int:position_id>", PositionView.as_view(), name="position"),
]
