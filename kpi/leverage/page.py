"""The leverage page of the console, and the answers to its slider."""

from decimal import Decimal, InvalidOperation
from typing import Any, Final

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.response import TemplateResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from kpi.leverage.answer import answer_to
from kpi.leverage.cascade import WINDOWS, get_cascade, most_closed
from kpi.leverage.levels import read_levels
from kpi.leverage.panels import cascade_panels, panels_of
from kpi.leverage.what_if import Busy, Move
from kpi.selectors import MOST_POSITIONS
from market.kernel.amounts import plain
from market.models import Instrument

DEFAULT_WINDOW: Final = "24h"
DEFAULT_MOVE: Final = "-10"
#: Of a move in percent. A mark cannot fall by all of it.
LOWEST, HIGHEST = Decimal(-95), Decimal(100)
PLACES: Final = Decimal("0.01")
PERMISSION: Final = "risk.view_position"
BUSY: Final = "Another move is being worked out; ask again."


class InvalidMove(Exception):
    """Says what is wrong with a move that was asked for."""


@never_cache
@require_GET
def leverage_page(request: HttpRequest) -> HttpResponse:
    """Show the page to staff and regulators who may see positions."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    asked = request.GET.get("window", DEFAULT_WINDOW)
    window = asked if asked in WINDOWS else DEFAULT_WINDOW
    instruments = list(Instrument.objects.exclude(mark_price=None).order_by("symbol"))
    move = move_or_default(request, instruments)
    panels = list(panels_of(read_levels(window=WINDOWS[window].length), window))
    shown = shown_instrument(request, instruments, window)
    cascade = list(cascade_panels(get_cascade(window=window, instrument=shown))) if shown else []
    context = {
        **admin.site.each_context(request),
        "title": "Leverage",
        "windows": WINDOWS,
        "window": window,
        "instruments": instruments,
        "instrument": shown,
        "panels": panels,
        "most_positions": MOST_POSITIONS,
        "cascade": cascade,
        "charts": {panel.key: panel.chart for panel in [*panels, *cascade] if panel.chart},
        "move": move,
        "percent": plain(move.percent),
        "lowest": LOWEST,
        "highest": HIGHEST,
        **answer_or_busy(request, move),
    }
    return TemplateResponse(request, "leverage/page.html", context)


@never_cache
@require_GET
def what_if_answer(request: HttpRequest) -> HttpResponse:
    """Answer ``?move=&symbol=`` with the part of the page that says what would happen."""
    if not admin.site.has_permission(request):
        return refusal(403, "not_logged_in", "Log in to the console again.")
    if not request.user.has_perm(PERMISSION):
        return refusal(403, "forbidden", "Your user may not see positions.")
    try:
        move = move_of(request, list(Instrument.objects.exclude(mark_price=None)))
    except InvalidMove as error:
        return refusal(400, "invalid_move", str(error))
    try:
        answer = answer_for(request, move)
    except Busy:
        return refusal(429, "busy", BUSY)
    return render(request, "leverage/what_if.html", answer)


def refusal(status: int, code: str, detail: str) -> JsonResponse:
    return JsonResponse({"detail": detail, "code": code}, status=status)


def move_or_default(request: HttpRequest, instruments: list[Instrument]) -> Move:
    try:
        return move_of(request, instruments)
    except InvalidMove:
        return Move(Decimal(DEFAULT_MOVE))


def move_of(request: HttpRequest, instruments: list[Instrument]) -> Move:
    """Return the move that a query asks for. Raises InvalidMove."""
    symbol = request.GET.get("symbol", "")
    if symbol and symbol not in {one.symbol for one in instruments}:
        raise InvalidMove("Choose an instrument that has a mark price.")
    try:
        percent = Decimal(request.GET.get("move", DEFAULT_MOVE))
    except InvalidOperation:
        percent = Decimal("NaN")
    if not percent.is_finite() or not LOWEST <= percent <= HIGHEST or has_more_places(percent):
        raise InvalidMove(f"Give a move in percent from {LOWEST} to {HIGHEST}, of two places.")
    return Move(percent, symbol)


def has_more_places(percent: Decimal) -> bool:
    """Tell whether a move has more than two places, however small; a remainder would underflow."""
    return percent != percent.quantize(PLACES)


def shown_instrument(
    request: HttpRequest, instruments: list[Instrument], window: str
) -> Instrument | None:
    """Return the instrument that is asked for, else the one that most was closed out of."""
    asked = [one for one in instruments if one.symbol == request.GET.get("instrument")]
    return asked[0] if asked else most_closed(window=window)


def answer_for(request: HttpRequest, move: Move) -> dict[str, Any]:
    """Return what the page says about a move; names only to those who may see accounts.

    Raises Busy.
    """
    sees_accounts = request.user.has_perm("accounts.view_account")
    return answer_to(move, sees_accounts=sees_accounts)


def answer_or_busy(request: HttpRequest, move: Move) -> dict[str, Any]:
    try:
        return answer_for(request, move)
    except Busy:
        return {"busy": True, "said": BUSY}
