"""How the staff console (django-unfold) looks and what its sidebar holds."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.utils.module_loading import import_string

from exchange_poc.version import VERSION

FAVICON = "drf_spectacular_sidecar/swagger-ui-dist/favicon-32x32.png"


def address(name: str) -> SimpleLazyObject:
    """Return the address of a view, looked up once: each page asks for it several times."""
    return SimpleLazyObject(partial(reverse, name))


def link(title: str, icon: str, model: str) -> dict[str, Any]:
    """Return a sidebar entry for the list of ``app_model``, for those who may see it."""
    app, name = model.split("_")
    return {
        "title": title,
        "icon": icon,
        "link": address(f"admin:{model}_changelist"),
        "permission": has(f"{app}.view_{name}"),
    }


def has(permission: str) -> Callable[[HttpRequest], bool]:
    """Return what asks whether a request's user has a permission."""
    return lambda request: bool(request.user.has_perm(permission))


def sees_everything(request: HttpRequest) -> bool:
    """Ask for many permissions; as only settings are there yet, it is imported when it is asked."""
    return bool(import_string("kpi.bundles.pages.sees_everything")(request))


def page(title: str, icon: str, name: str, may: Callable[[HttpRequest], bool]) -> dict[str, Any]:
    """Return a sidebar entry for a page that is no model's."""
    return {"title": title, "icon": icon, "link": address(name), "permission": may}


def section(title: str, *links: dict[str, Any]) -> dict[str, Any]:
    """Return a part of the sidebar."""
    return {"title": title, "items": links}


HOME = address("admin:index")
#: The sidebar, in its parts.
NAVIGATION: list[dict[str, Any]] = [
    {
        "items": [
            {"title": "Dashboard", "icon": "dashboard", "link": HOME},
            {"title": "API docs", "icon": "api", "link": address("docs")},
        ]
    },
    section(
        "Trading",
        link("Orders", "receipt_long", "trading_order"),
        link("Trades", "swap_horiz", "trading_trade"),
        link("Positions", "stacked_line_chart", "risk_position"),
        link("Liquidations", "gavel", "trading_liquidation"),
        link("Kills", "dangerous", "trading_kill"),
        link("Parked answers", "report", "trading_parkedanswer"),
    ),
    section(
        "People and money",
        link("Users", "group", "accounts_user"),
        link("API keys", "key", "accounts_apikey"),
        link("Accounts", "account_balance_wallet", "accounts_account"),
        link("Ledger", "menu_book", "accounts_transfer"),
        link("Account policy", "rule", "accounts_accountpolicy"),
        link("Rate limits", "timer", "accounts_ratelimit"),
    ),
    section(
        "Risk",
        link("Risk policy", "policy", "risk_riskpolicy"),
        link("Leverage limits", "speed", "risk_leveragelimit"),
        page("Leverage", "balance", "leverage", has("risk.view_position")),
        link("Exposure by instrument", "donut_small", "risk_instrumentexposure"),
        link("Global exposure", "public", "risk_globalexposure"),
        link("Reservations", "lock_clock", "risk_reservation"),
    ),
    section(
        "Market",
        link("Instruments", "candlestick_chart", "market_instrument"),
        link("Price halts", "block", "market_pricehalt"),
        link("Prices set by hand", "edit", "trading_manualprice"),
        link("Price ticks", "timeline", "market_pricetick"),
        link("Clock", "schedule", "market_marketclock"),
    ),
    section(
        "Monitoring",
        link("Alerts", "notifications", "kpi_alert"),
        link("Alert rules", "notification_settings", "kpi_alertrule"),
        link("Alert deliveries", "outgoing_mail", "kpi_alertdelivery"),
        link("KPI snapshots", "query_stats", "kpi_kpisnapshot"),
        link("Ledger checks", "fact_check", "kpi_ledgercheck"),
    ),
    section(
        "Policy lab",
        link("Studies", "science", "kpi_labstudy"),
        link("Cells", "grid_view", "kpi_labcell"),
    ),
    section(
        "System",
        link("Groups", "groups", "auth_group"),
        link("Staff log", "history", "admin_logentry"),
        link("Audit trail", "verified_user", "kpi_auditrecord"),
        link("Audit checks", "fact_check", "kpi_auditcheck"),
        page("Days", "folder_zip", "days", sees_everything),
        link("Heartbeats", "monitor_heart", "kpi_heartbeat"),
    ),
]


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the sidebar as its template wants it: each entry with what it says on this page."""
    return [
        {**part, "items": [shown(entry, request) for entry in part["items"]]} for part in NAVIGATION
    ]


def shown(entry: dict[str, Any], request: HttpRequest) -> dict[str, Any]:
    """Return an entry with its address as text, and whether it is open here and may be seen."""
    path, may = str(entry["link"]), entry.get("permission")
    return {
        **entry,
        "link": path,
        "active": request.path == path or (path != str(HOME) and path in request.path),
        "has_permission": may is None or may(request),
    }


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Exchange POC",
    "SITE_HEADER": "Exchange POC",
    # A name with a dot would be looked for among modules, on each page.
    "SITE_SUBHEADER": lambda request: f"Research simulation {VERSION}",
    "SITE_SYMBOL": "candlestick_chart",
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "sizes": "32x32",
            "type": "image/png",
            "href": lambda request: static(FAVICON),
        }
    ],
    "STYLES": [lambda request: static("kpi/console.css")],
    "SCRIPTS": [lambda request: static("kpi/console.js")],
    "SHOW_HISTORY": True,
    "ENVIRONMENT": "kpi.dashboard.page.environment",
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": "kpi.dashboard.page.show_dashboard",
    "SIDEBAR": {"show_all_applications": False},
}
