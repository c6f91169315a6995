"""The chart of an account as JSON, with what it does not show and why."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from django.db import connection
from django.urls import reverse

from kpi.paths.account_marks import MOST_ORDERS, Mark, marks_of
from kpi.paths.course import Point, course_of
from kpi.paths.fills import MOST_REPLAYED, MOST_TRADES
from kpi.paths.spans import WINDOWS, Span
from kpi.paths.subjects import Subject
from kpi.paths.wire import at, candle_rows, written
from market.candles import found_candles
from market.kernel.amounts import plain
from market.kernel.snapshot import consistent_read

Json = dict[str, Any]

NEVER_ORDERED: Final = (
    "This account has placed no order yet: its first one, through the API, begins the chart."
)
NO_PRICE: Final = (
    "No mark price of {symbol} is on record in this window: a market step sets one, by "
    "Market step on the dashboard or python manage.py tick."
)
NO_POSITION: Final = (
    "Nothing was held in this window, so that there is no margin ratio: an order that fills opens "
    "a position."
)
UNKNOWN: Final = (
    "The margin ratio is not drawn at {count} of {all} moments: a mark price by then is not on "
    f"record, or what was held then takes more than {MOST_REPLAYED:,} fills to replay, or such as "
    f"lie behind {MOST_TRADES:,} later ones."
)
GROUPED: Final = (
    "Fills and orders of one bar are one mark with their count; of the newest "
    f"{MOST_TRADES:,} fills and {MOST_ORDERS:,} orders."
)


def chart_json(subject: Subject, *, window: str, now: datetime) -> Json:
    """Return the chart of an account in one instrument."""
    span = subject.span(window, now=now)
    common = {
        "window": window,
        "windows": list(WINDOWS),
        "symbols": [row.symbol for row in subject.instruments],
        "until": at(span.until),
        "seconds": int(span.length.total_seconds()),
    }
    shown = subject.shown
    if shown is None:
        return {**common, "symbol": None, "empty": NEVER_ORDERED}
    with consistent_read():
        read_by_account()
        points = course_of(subject.account, span, now=now)
        candles = found_candles(shown, span.length, span.since, span.until)
        marks = marks_of(subject.account.pk, shown, span)
    return {
        **common,
        "symbol": shown.symbol,
        "tick": plain(shown.tick_size),
        "empty": "" if candles else NO_PRICE.format(symbol=shown.symbol),
        "notes": notes(points, marks),
        "candles": candle_rows(candles, span.bars),
        "by_brackets": any(one.required.is_by_brackets for one in points),
        "points": [point_json(one, shown.pk) for one in points],
        "marks": [mark_json(mark, span) for mark in marks],
    }


def read_by_account() -> None:
    """Let the transaction's plans follow the account's indexes, and know the times of the chart.

    Its rows lie in the order of their keys, which the planner does not know of an index that begins
    with the account: it thinks each of them a page from anywhere, and passes everybody's rows. And
    of a plan that is kept for all charts PostgreSQL unpacks the times anew for each row.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('random_page_cost', current_setting('seq_page_cost'), true),"
            " set_config('plan_cache_mode', 'force_custom_plan', true)"
        )


def notes(points: Sequence[Point], marks: Sequence[Mark]) -> list[str]:
    """Say what is not shown, and why."""
    unknown = sum(one.state is None for one in points)
    told = [UNKNOWN.format(count=unknown, all=len(points))] if unknown else []
    if not unknown and not any(one.ratio is not None for one in points):
        told.append(NO_POSITION)
    if any(mark.count > 1 for mark in marks):
        told.append(GROUPED)
    return told


def point_json(one: Point, instrument_id: int) -> Json:
    state = one.state
    return {
        "at": at(one.at),
        "kind": one.kind.value,
        "known": state is not None,
        "recorded": one.recorded,
        "threshold": plain(one.required.threshold),
        "ratio": written(one.ratio),
        "cover": written(one.cover),
        "equity": written(state.equity if state else None),
        "margin": written(state.position_margin if state else None),
        "quantity": written(state.holding(instrument_id).quantity if state else None),
        "entry": written(one.entry(instrument_id)),
        "liquidation_price": written(one.liquidation_price(instrument_id)),
    }


def mark_json(mark: Mark, span: Span) -> Json:
    done = mark.liquidation_id
    return {
        "at": at(span.since + mark.bar * span.length),
        "kind": mark.kind,
        "count": mark.count,
        "text": mark.text,
        "href": reverse("admin:trading_liquidation_change", args=[done]) if done else "",
    }
