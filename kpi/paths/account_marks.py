"""What an account did in each bar: its fills, close-outs and orders, grouped with their counts."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from kpi.paths.between import ids_between, sql_array
from kpi.paths.fills import MOST_TRADES
from kpi.paths.moments import MICROSECOND
from kpi.paths.spans import Span
from market.kernel.amounts import EXACT, round_half_even
from market.kernel.console.figures import grouped
from market.kernel.rows import rows_of
from market.models import Instrument
from trading.models import OPEN_STATUSES, Order, OrderStatus, Side, Trade

#: Orders that are looked at, the newest ones of the account and the symbol.
MOST_ORDERS: Final = 10_000

# Bars are numbered from 1 on, as width_bucket does; what is later than the span is in one beyond.
# One key a row, made inside: of several, or of a time, the planner expects so many groups that it
# sorts all rows for them.
FILLS: Final = """
SELECT key / 4 AS bar, key %% 2 = 1 AS sold, key / 2 %% 2 = 1 AS closed_out, count(*), sum(size),
       sum(notional), max(liquidation_id)
FROM (
    SELECT 4 * width_bucket(created_at, %(bars)s::timestamptz[])
               + 2 * (liquidation_id IS NOT NULL)::int + (side = 'sell')::int AS key,
           size, notional, liquidation_id
    FROM trading_trade WHERE account_id = %(account)s AND instrument_id = %(instrument)s
        AND id >= %(low)s AND id < %(high)s
    ORDER BY id DESC LIMIT %(most)s
) AS newest
GROUP BY key ORDER BY key
"""
# An order that filled at once is its fills.
ORDERS: Final = """
SELECT bar, side, refused, count(*), sum(size), CASE count(*) WHEN 1 THEN max(price) END,
       max(reject_code), count(DISTINCT reject_code)
FROM (
    SELECT width_bucket(created_at, %(bars)s::timestamptz[]) AS bar, side, size, price, reject_code,
           status = '{rejected}' AS refused, accepted_as
    FROM trading_order WHERE account_id = %(account)s AND symbol = %(symbol)s
        AND id >= %(low)s AND id < %(high)s
    ORDER BY id DESC LIMIT %(most)s
) AS newest
WHERE refused OR accepted_as IN ({resting})
GROUP BY 1, 2, 3 ORDER BY 1, 3, 2
""".format(
    rejected=OrderStatus.REJECTED.value,
    resting=", ".join(f"'{status.value}'" for status in OPEN_STATUSES),
)


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened in a bar, ``count`` times; ``text`` says it in words.

    ``liquidation_id`` names the close-out that it belongs to.
    """

    bar: int
    kind: str
    count: int
    text: str
    liquidation_id: int | None = None


def marks_of(account_id: int, instrument: Instrument, span: Span) -> list[Mark]:
    """Return what an account did in an instrument, bar by bar."""
    bars = span.bars
    parameters: dict[str, Any] = {
        "account": account_id,
        "instrument": instrument.pk,
        "symbol": instrument.symbol,
        "bars": sql_array([*bars, span.until + MICROSECOND]),
    }
    fills = rows_of(FILLS, parameters | newest(Trade, span, MOST_TRADES))
    orders = rows_of(ORDERS, parameters | newest(Order, span, MOST_ORDERS))
    found = [fills_mark(*row) for row in fills] + [orders_mark(*row) for row in orders]
    shown = (mark for mark in found if 0 <= mark.bar < len(bars))
    return sorted(shown, key=lambda mark: mark.bar)


def newest(model: Any, span: Span, most: int) -> dict[str, int]:
    """Return which rows of a span are looked at, the newest ones."""
    low, high = ids_between(model, "created_at", span.since, span.until)
    return {"low": low, "high": high, "most": most}


def fills_mark(
    bar: int,
    sold: bool,
    closed_out: bool,
    count: int,
    size: Decimal,
    notional: Decimal,
    liquidation_id: int | None,
) -> Mark:
    """Say what filled: one fill by its price, several by their number and average price."""
    price = grouped(round_half_even(EXACT.divide(notional, size)))
    done = "Sold" if sold else "Bought"
    told = f"{done} {grouped(size)} at {price}"
    if count > 1:
        told = f"{count} fills: {told.lower()} on average"
    if closed_out:
        told = f"Closed out: {told[0].lower()}{told[1:]}"
    kind = "close_out" if closed_out else Side.SELL.value if sold else Side.BUY.value
    return Mark(bar - 1, kind, count, told, liquidation_id)


def orders_mark(
    bar: int,
    side: str,
    refused: bool,
    count: int,
    size: Decimal,
    price: Decimal | None,
    code: str,
    codes: int,
) -> Mark:
    """Say what was ordered and did not fill at once."""
    limit = "" if price is None else f" at {grouped(price)}"
    if count == 1:
        told = f"{'Refused' if refused else 'Placed'}: {side} {grouped(size)}{limit}"
    else:
        told = f"{count} {side} orders {'refused' if refused else 'placed'}"
    if refused:
        told += f", {code}" if codes == 1 else ", for several reasons"
    return Mark(bar - 1, "refused" if refused else "order", count, told)
