"""The data of the charts, for whoever may see the page of the console that shows them."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts.models import Account
from kpi.errors import NotLoggedIn, UnknownBars, UnknownWindow
from kpi.paths.account_json import Json, chart_json
from kpi.paths.instrument_bars import DEFAULT_INTERVAL, bars_of
from kpi.paths.instrument_json import bars_json
from kpi.paths.spans import WINDOWS
from kpi.paths.subjects import Subject, of_account, of_close_out, of_position
from market.candles import INTERVALS
from market.kernel.api.exceptions import answer_exception
from market.kernel.console.search import number_of
from market.kernel.errors import Forbidden, NotFound
from market.models import Instrument
from risk.models import Position
from trading.models import Liquidation

#: The latest time that a chart is asked until, in ms since the epoch: the end of the year 9998.
LATEST: Final = 253_370_764_799_999


def chart(answer: Callable[[HttpRequest, int], Json]) -> Any:
    """Make a view of a function that returns a chart or raises what refuses it."""

    @never_cache
    @require_GET
    def view(request: HttpRequest, key: int) -> JsonResponse:
        try:
            if not admin.site.has_permission(request):
                raise NotLoggedIn
            return JsonResponse(answer(request, key))
        except Exception as error:
            refusal = answer_exception(error, {})
            if refusal is None:
                raise
            return JsonResponse(refusal.data, status=refusal.status_code)

    return view


@chart
def account_path(request: HttpRequest, key: int) -> Json:
    """Answer the chart of a user's account: ``?window=&symbol=``."""
    account = seen(request, Account, key)
    if account.user_id is None:
        raise NotFound("A system account does not trade.")
    return subject_json(request, of_account(account, request.GET.get("symbol", "")))


@chart
def position_path(request: HttpRequest, key: int) -> Json:
    """Answer the chart of a position: ``?window=``."""
    return subject_json(request, of_position(seen(request, Position, key), now=timezone.now()))


@chart
def close_out_path(request: HttpRequest, key: int) -> Json:
    """Answer the chart of an account up to one of its close-outs: ``?window=&symbol=``."""
    done = seen(request, Liquidation, key)
    return subject_json(request, of_close_out(done, request.GET.get("symbol", "")))


@chart
def instrument_candles(request: HttpRequest, key: int) -> Json:
    """Answer the candles of an instrument: ``?interval=&until=``, the latter in ms."""
    instrument = seen(request, Instrument, key)
    interval = request.GET.get("interval", DEFAULT_INTERVAL)
    if interval not in INTERVALS:
        raise UnknownBars(f"Choose an interval: {', '.join(INTERVALS)}.")
    return bars_json(bars_of(instrument, interval=interval, until=asked_until(request)), instrument)


def subject_json(request: HttpRequest, subject: Subject) -> Json:
    window = request.GET.get("window") or subject.window
    if window not in WINDOWS:
        raise UnknownWindow(f"Choose a window: {', '.join(WINDOWS)}.")
    return chart_json(subject, window=window, now=timezone.now())


def seen(request: HttpRequest, model: type[Model], key: int) -> Any:
    """Return a row whose page the user may see. Raises Forbidden, NotFound."""
    if not admin.site.get_model_admin(model).has_view_permission(request):
        raise Forbidden("Seeing this needs a permission that you do not have.")
    row = model._default_manager.filter(pk=key).first()
    if row is None:
        raise NotFound
    return row


def asked_until(request: HttpRequest) -> datetime:
    """Return until when bars are asked for: without a word until now. Raises UnknownBars."""
    text = request.GET.get("until", "")
    if not text:
        return timezone.now()
    until = number_of(text)
    if until is None or not 0 < until <= LATEST:
        raise UnknownBars("until is a time in ms since the epoch.")
    return datetime.fromtimestamp(until / 1000, UTC)
