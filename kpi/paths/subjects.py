"""Whose chart a page shows: an account, a position, or a close-out, and how far back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import connection
from django.db.models import Q

from accounts.models import Account
from kpi.paths.spans import WINDOWS, Span, span_of, window_that_holds
from market.models import Instrument
from risk.models import Position
from risk.selectors import open_positions
from trading.models import Liquidation, Order

DEFAULT_WINDOW: Final = "24h"
#: How much of what came after a past event is shown, as a part of the window.
AFTERWARDS: Final = 8
#: Unlisted ones among them: orders of such are refused, and kept.
MOST_SYMBOLS: Final = 200


@dataclass(frozen=True, slots=True)
class Subject:
    """An account with the instrument to show, until when, and how far back unless asked.

    ``instruments`` are those to choose from; ``none`` is shown of an account that never ordered.
    """

    account: Account
    instruments: Sequence[Instrument]
    shown: Instrument | None
    window: str
    until: datetime | None = None

    def span(self, window: str, *, now: datetime) -> Span:
        """Return the span of a window: up to now, or to a little after what is shown."""
        until, began = now, beginning(self.account)
        if self.until is not None:
            reach = min(WINDOWS[window], max(self.until - began, MINUTE))
            until = min(now, self.until + reach / AFTERWARDS)
        return span_of(window, until=until, earliest=began)


MINUTE: Final = timedelta(minutes=1)


def beginning(account: Account) -> datetime:
    """Return when an account began: a past that was made up lies before its creation."""
    first = Order.objects.filter(account=account).order_by("id").only("created_at").first()
    return min(account.created_at, first.created_at) if first else account.created_at


def of_account(account: Account, symbol: str) -> Subject:
    """Return an account, in the instrument of a symbol, else of its largest position."""
    traded = instruments_of(account)
    held = open_positions().filter(account=account)
    largest = max(held, key=lambda row: abs(row.cost), default=None)
    shown = largest or Position.objects.filter(account=account).first()
    preferred = shown.instrument_id if shown else None
    return Subject(account, traded, chosen(traded, symbol, preferred), DEFAULT_WINDOW)


def of_position(position: Position, *, now: datetime) -> Subject:
    """Return the account of a position, from a while before it was opened."""
    window = window_that_holds((position.closed_at or now) - position.opened_at)
    shown = position.instrument
    return Subject(position.account, [shown], shown, window, position.closed_at)


def of_close_out(done: Liquidation, symbol: str) -> Subject:
    """Return the account that was closed out, from a while before its positions were opened."""
    closed = list(done.trades.select_related("instrument").order_by("-notional", "id"))
    instruments = list({row.instrument_id: row.instrument for row in closed}.values())
    opened = (
        Position.objects.filter(
            Q(closed_at__gte=done.created_at) | Q(closed_at=None),
            account_id=done.account_id,
            instrument__in=instruments,
            opened_at__lte=done.created_at,
        )
        .order_by("opened_at")
        .values_list("opened_at", flat=True)
        .first()
    )
    window = window_that_holds(done.created_at - (opened or done.created_at))
    largest = closed[0].instrument_id if closed else None
    shown = chosen(instruments, symbol, largest)
    return Subject(done.account, instruments, shown, window, done.created_at)


# One look into an index for each symbol.
SYMBOLS: Final = """
WITH RECURSIVE own AS (
    SELECT min(symbol) AS symbol FROM trading_order WHERE account_id = %(account)s
    UNION ALL
    SELECT (SELECT min(symbol) FROM trading_order
            WHERE account_id = %(account)s AND symbol > own.symbol)
    FROM own WHERE symbol IS NOT NULL
)
SELECT symbol FROM own WHERE symbol IS NOT NULL LIMIT %(most)s
"""


def instruments_of(account: Account) -> list[Instrument]:
    """Return the instruments that an account ordered, of its first MOST_SYMBOLS symbols."""
    with connection.cursor() as cursor:
        cursor.execute(SYMBOLS, {"account": account.pk, "most": MOST_SYMBOLS})
        symbols = [symbol for (symbol,) in cursor.fetchall()]
    return list(Instrument.objects.filter(symbol__in=symbols))


def chosen(
    instruments: Sequence[Instrument], symbol: str, preferred: int | None
) -> Instrument | None:
    """Return the instrument of a symbol, else the preferred one, else the first."""
    by_symbol = {row.symbol: row for row in instruments}
    by_id = {row.pk: row for row in instruments}
    first = instruments[0] if instruments else None
    return by_symbol.get(symbol.upper()) or by_id.get(preferred or 0) or first
