"""URLs of the kpi app."""

from django.urls import path

from kpi.api import (
    HealthView,
    HistoryView,
    MetricsView,
    SecurityKpisView,
    SystemKpisView,
    TradingKpisView,
)
from kpi.audit.api import AuditView
from kpi.lab.api import CellListView, StudyListView, StudyView
from kpi.stream.api import StreamView

urlpatterns = [
    path("audit", AuditView.as_view(), name="audit"),
    path("kpi/system", SystemKpisView.as_view(), name="kpi-system"),
    path("kpi/trading", TradingKpisView.as_view(), name="kpi-trading"),
    path("kpi/security", SecurityKpisView.as_view(), name="kpi-security"),
    path("kpi/history", HistoryView.as_view(), name="kpi-history"),
    path("lab/studies", StudyListView.as_view(), name="lab-studies"),
    path("lab/studies/<int:study_id>", StudyView.as_view(), name="lab-study"),
    path("lab/studies/<int:study_id>/cells", CellListView.as_view(), name="lab-cells"),
    path("stream", StreamView.as_view(), name="stream"),
    path("metrics", MetricsView.as_view(), name="metrics"),
    path("health", HealthView.as_view(), name="health"),
]
