"""URLs of the accounts app."""

from django.urls import path

from accounts.api import LedgerView, TokenView

urlpatterns = [
    path("auth/token", TokenView.as_view(), name="auth-token"),
    path("account/ledger", LedgerView.as_view(), name="account-ledger"),
]
