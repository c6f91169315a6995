"""The console's site: unfold's, which lists models only for a page that shows the list."""

from functools import partial
from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject
from unfold.sites import UnfoldAdminSite


class ConsoleSite(UnfoldAdminSite):
    """With a list of models for those who ask: each page is handed one, and has a sidebar."""

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> Any:
        return SimpleLazyObject(partial(super().get_app_list, request, app_label))
