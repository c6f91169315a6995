"""The URLs of the API, its docs, the metrics and the staff console."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from accounts.console_login import limited_login
from kpi.bundles.pages import day_file, show_days
from kpi.dashboard.page import dashboard_data
from kpi.leverage.page import leverage_page, what_if_answer
from kpi.search import search
from kpi.stream.console import stream_ticket
from market.kernel.api.docs import DocsView, SchemaView

# With the URLs, not with the apps: workers and commands, which serve no page, start sooner.
admin.autodiscover()

urlpatterns = [
    path("", RedirectView.as_view(url="/docs"), name="home"),
    path("", include("accounts.urls")),
    path("", include("market.urls")),
    path("", include("risk.urls")),
    path("", include("trading.urls")),
    path("", include("kpi.urls")),
    path("schema", SchemaView.as_view(), name="schema"),
    path("docs", DocsView.as_view(), name="docs"),
    path("admin/login/", limited_login),
    path("admin/stream/", stream_ticket, name="stream-ticket"),
    path("admin/dashboard/data/", dashboard_data, name="dashboard-data"),
    path("admin/days/", admin.site.admin_view(show_days), name="days"),
    path("admin/days/file/", admin.site.admin_view(day_file), name="day-file"),
    path("admin/paths/", include("kpi.paths.urls")),
    path("admin/leverage/", admin.site.admin_view(leverage_page), name="leverage"),
    path("admin/leverage/what-if/", what_if_answer, name="leverage-what-if"),
    path("admin/search/", search, name="console-search"),
    path("admin/", admin.site.urls),
]

handler400 = "market.kernel.api.exceptions.bad_request"
handler404 = "market.kernel.api.exceptions.not_found"
handler500 = "market.kernel.api.exceptions.server_error"
