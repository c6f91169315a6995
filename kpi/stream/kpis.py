"""The event ``kpi``: what the dashboard shows, to who may enter the console."""

from collections.abc import Collection

from accounts.models import User
from kpi.dashboard.as_json import dashboard_json
from kpi.dashboard.figures import get_dashboard
from kpi.dashboard.page import DEFAULT_WINDOW
from kpi.stream.frames import KPI, frame


def kpis_for(user_ids: Collection[int]) -> dict[int, bytes]:
    """Return the dashboard of the usual window as users may view it, by user; read once for all."""
    dashboard = get_dashboard(window=DEFAULT_WINDOW)
    users = User.objects.in_bulk(user_ids)
    return {pk: frame(KPI, dashboard_json(dashboard, user=user)) for pk, user in users.items()}
