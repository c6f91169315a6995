"""What fills of many accounts do, by the rules of ``risk.execution`` and ``risk.fills``."""

from typing import NamedTuple

import numpy as np

from risk.arrays.books import of, refuse_above
from risk.arrays.orders import Facing
from risk.arrays.units import Whole, ceil_div, share, times_rate


class Fills(NamedTuple):
    """What fills do: lots that close and open, what is realised, and how all else changes."""

    filled: Whole
    closed: Whole
    opened: Whole
    realized: Whole
    fee: Whole
    notional: Whole
    cost: Whole
    margin: Whole
    exposure: Whole


def fill(facing: Facing) -> Fills:
    """Fill orders at the mark, whether allowed or not; reduce-only ones as far as positions go."""
    orders, side, value = facing.orders, facing.side, facing.value
    closed = np.minimum(facing.asked, facing.reducible)
    opened = np.where(orders.reduce_only, 0, facing.asked - closed)
    cost_part, margin_part = closed_parts(facing, closed)
    leverage = np.where(orders.leverage == 0, facing.default_leverage, orders.leverage)
    fee_rate = facing.book.instruments.taker_fee[facing.instrument]
    closed_notional, opened_notional = closed * value, opened * value
    notional = closed_notional + opened_notional
    return Fills(
        filled=side * (closed + opened),
        closed=closed,
        opened=opened,
        realized=-side * closed_notional - cost_part,
        fee=times_rate(notional, fee_rate),
        notional=notional,
        cost=side * opened_notional - cost_part,
        margin=ceil_div(opened_notional, leverage) - margin_part,
        exposure=opened_notional - closed_notional,
    )


def closed_parts(facing: Facing, closed: Whole) -> tuple[Whole, Whole]:
    """Return what leaves of cost and margin with what closes."""
    closes, whole = closed > 0, np.abs(facing.held)
    cost, margin = facing.cost * closes, facing.margin * closes
    for at in (closes & (closed < whole)).nonzero()[0].tolist():
        part = int(closed[at]), int(whole[at])
        cost[at], margin[at] = share(int(cost[at]), *part), share(int(margin[at]), *part)
    return cost, margin


def book_fills(facing: Facing, fills: Fills) -> None:
    """Write down what accounts are after their fills."""
    book, rows = facing.book, facing.orders.rows
    balance = facing.balance + fills.realized - fills.fee
    refuse_above(balance, "balance", rows)
    if fills.opened.any():
        refuse_too_large(facing, fills)
    at, lots = (facing.instrument, rows), facing.held + fills.filled
    book.balance[rows], book.lots[at] = balance, lots
    book.cost[at], book.margin[at] = facing.cost + fills.cost, facing.margin + fills.margin
    np.maximum.at(book.widest, facing.instrument, np.abs(lots))


def refuse_too_large(facing: Facing, fills: Fills) -> None:
    """Raise OutOfRange where an account would hold more than is computed here."""
    rows, cost = facing.orders.rows, np.abs(facing.cost + fills.cost) - np.abs(facing.cost)
    costs = np.abs(of(facing.book.cost, rows)).sum(axis=0) + cost
    margins, exposure = facing.margins + fills.margin, facing.exposure + fills.exposure
    refuse_above(np.maximum.reduce((costs, margins, exposure)), "cost, margin or exposure", rows)
