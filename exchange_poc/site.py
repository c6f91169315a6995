"""The console's site: unfold's, with less work on each page."""

from functools import partial
from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject
from unfold.sites import UnfoldAdminSite

from exchange_poc.navigation import sidebar


class ConsoleSite(UnfoldAdminSite):
    """With a list of models for those who ask: each page is handed one, and has a sidebar."""

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> Any:
        return SimpleLazyObject(partial(super().get_app_list, request, app_label))

    def get_sidebar_list(self, request: HttpRequest) -> list[dict[str, Any]]:
        """Return the sidebar. Unfold would copy it deeply, and take each entry's address apart."""
        return sidebar(request)
