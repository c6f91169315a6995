"""The console's home page: its frame, the buttons that matter, and the data that keep it live."""

from dataclasses import dataclass
from typing import Any, Final

from django.contrib import admin
from django.http import HttpRequest, JsonResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from kpi.dashboard.as_json import dashboard_json
from kpi.dashboard.charts import CHARTS
from kpi.dashboard.figures import get_dashboard
from kpi.history.windows import WINDOWS
from market.kernel.states import TradingState
from risk.selectors import get_policy

#: A month of snapshots takes too long to add up every few seconds.
SHOWN_WINDOWS: Final = tuple(name for name in WINDOWS if name != "30d")
DEFAULT_WINDOW: Final = "1h"


@dataclass(frozen=True, slots=True)
class Button:
    """A button that opens the dialog of an action."""

    title: str
    icon: str
    href: str
    variant: str = "default"


def show_dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the dashboard to the context of the console's index page."""
    asked = request.GET.get("window", DEFAULT_WINDOW)
    window = asked if asked in SHOWN_WINDOWS else DEFAULT_WINDOW
    return {
        **context,
        "title": "Dashboard",
        "windows": SHOWN_WINDOWS,
        "window": window,
        "charts": CHARTS,
        "buttons": buttons(request),
        "data": dashboard_json(get_dashboard(window=window), user=request.user),
    }


@never_cache
@require_GET
def dashboard_data(request: HttpRequest) -> JsonResponse:
    """Answer the data of ``?window=`` to whoever may enter the console; 403 to all others."""
    if not admin.site.has_permission(request):
        detail = "Log in to the console again."
        return JsonResponse({"detail": detail, "code": "not_logged_in"}, status=403)
    window = request.GET.get("window", DEFAULT_WINDOW)
    if window not in SHOWN_WINDOWS:
        detail = f"Choose a window: {', '.join(SHOWN_WINDOWS)}."
        return JsonResponse({"detail": detail, "code": "unknown_window"}, status=400)
    return JsonResponse(dashboard_json(get_dashboard(window=window), user=request.user))


#: The label on every page and its colour.
ENVIRONMENTS: Final = {
    TradingState.ACTIVE: ["Simulation", "info"],
    TradingState.REDUCING: ["Only reducing", "warning"],
    TradingState.HALTED: ["Trading halted", "danger"],
}


def environment(request: HttpRequest) -> list[str]:
    """Tell on every page whether trading goes on, staff alone."""
    state = get_policy().trading_state if request.user.is_staff else TradingState.ACTIVE
    return ENVIRONMENTS[state]


def buttons(request: HttpRequest) -> list[Button]:
    """Return the buttons that the user may press."""
    halted, may = get_policy().trading_halted, request.user.has_perm
    trading = (
        Button("Resume trading", "play_circle", action("risk_riskpolicy_resume", 1), "primary")
        if halted
        else Button("Halt trading", "front_hand", action("risk_riskpolicy_halt", 1), "danger")
    )
    offered = {
        Button("Market step", "skip_next", action("market_marketclock_run_step")): (
            "market.change_marketclock"
        ),
        Button("Liquidation sweep", "cleaning_services", action("trading_liquidation_sweep")): (
            "trading.add_liquidation"
        ),
        Button(
            "Fund insurance", "health_and_safety", action("accounts_account_fund_insurance")
        ): "accounts.add_transfer",
        trading: "risk.change_riskpolicy",
        Button("Kill", "dangerous", action("trading_kill_start"), "danger"): "trading.change_order",
    }
    return [button for button, permission in offered.items() if may(permission)]


def action(name: str, *ids: int) -> str:
    return reverse(f"admin:{name}", args=ids)
