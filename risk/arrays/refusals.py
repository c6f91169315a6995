"""Why orders of many accounts are refused, by the rules of ``risk.engine``."""

from collections.abc import Sequence
from operator import mul
from typing import Final

import numpy as np
from numpy.typing import NDArray

from risk.arrays.books import of
from risk.arrays.fills import Fills
from risk.arrays.orders import Facing
from risk.arrays.units import Flags
from risk.denials import DENIALS

#: What the code of an order means; that of an accepted one is 0.
CODES: Final = (None, *DENIALS)
NUMBERS: Final = {code: number for number, code in enumerate(DENIALS, start=1)}

Codes = NDArray[np.int8]


def refusals(facing: Facing, fills: Fills) -> dict[str, Flags | bool]:
    """Tell which orders each denial is due to, in their order, but for the global threshold's."""
    book, orders, asked, instrument = facing.book, facing.orders, facing.asked, facing.instrument
    too_large = book.instruments.first_too_large[instrument]
    rules, tier, opens = facing.rules, book.tier[orders.rows], fills.opened > 0
    suspended, halted = book.suspended[orders.rows], rules.halted_tiers[tier]
    held_back = rules.reducing_tiers[tier]
    if facing.throttle is not None:
        held_back |= facing.throttle.held[orders.rows]
    reducing = rules.reducing | (held_back & ~suspended)
    refused = {
        "trading_halted": rules.halted,
        "reducing_only": reducing & opens,
        "account_suspended": suspended,
        "tier_halted": halted,
        "invalid_size": (asked == 0) | (asked >= too_large),
        "below_min_notional": asked * facing.value < book.instruments.min_notional[instrument],
        "leverage_exceeds_tier": orders.leverage > facing.tiers,
        "leverage_exceeds_volatility": opens & (orders.leverage > facing.highest),
        "reduce_only_rejected": orders.reduce_only & (facing.reducible == 0),
        "insufficient_margin": facing.balance + fills.realized < fills.fee,
    }
    if opens.any():
        if facing.allowed is not None:
            most, missing, beyond = facing.allowed
            refused["brackets_missing"] = opens & missing
            refused["position_exceeds_brackets"] = opens & beyond
            refused["leverage_exceeds_bracket"] = opens & (orders.leverage > most)
            refused["below_maintenance"] = below_maintenance(facing, fills, opens & ~missing)
        if facing.rules.limit_orders or book.instruments.limit_orders:
            refused["order_value_exceeded"] = opens & above_value(facing)
        if facing.rules.window:
            refused |= {code: opens & flags for code, flags in sent_too_much(facing).items()}
        exposure = facing.exposure + fills.exposure
        refused["insufficient_margin"] |= opens & (facing.available - fills.fee < fills.margin)
        refused["user_exposure_exceeded"] = opens & (exposure > rules.user_exposure_limit)
    return refused


def below_maintenance(facing: Facing, fills: Fills, opens: Flags) -> Flags:
    """Tell which orders would open something and leave their accounts in breach.

    A fill at the mark moves equity by no more than its fee.
    """
    book, (at,) = facing.book, opens.nonzero()
    rows, lots = facing.orders.rows[at], of(book.lots, facing.orders.rows[at])
    lots[facing.instrument[at], np.arange(len(at))] += fills.filled[at]
    needed = facing.by.needed(np.abs(lots) * facing.values[:, at], of(book.margin, rows))
    below = np.zeros_like(opens)
    below[at] = facing.equity[at] - fills.fee[at] < needed
    return below


def above_value(facing: Facing) -> Flags:
    """Tell which orders are larger than one order may be."""
    listed, instrument = facing.book.instruments, facing.instrument
    own = facing.rules.max_order_value[facing.book.tier[facing.orders.rows]]
    most = np.minimum(own, listed.max_order_value[instrument])
    return (facing.asked > listed.max_lots[instrument]) | (facing.asked * facing.value > most)


def sent_too_much(facing: Facing) -> dict[str, Flags]:
    """Tell which orders repeat an earlier one, or lift what is sent in a minute above its limit."""
    rows, sent, rules = facing.orders.rows, facing.sent, facing.rules
    value = facing.asked * facing.value + (0 if sent is None else sent.value[rows])
    refused = {"order_volume_exceeded": value > rules.max_minute_value[facing.book.tier[rows]]}
    if sent is not None and rules.duplicate_seconds:
        refused["duplicate_order"] = sent.twins(rows, facing.instrument, facing.orders.lots)
    return refused


def hold_to_threshold(
    code: Codes, facing: Facing, fills: Fills, total: int | Sequence[int]
) -> None:
    """Refuse what lifts the exposure of all above the threshold, where anything can.

    In Python's own whole numbers: all accounts together may have more exposure than 64 bits hold.
    """
    if not fills.opened.any():
        return
    threshold = facing.rules.global_exposure_threshold
    totals = [total] * len(code) if isinstance(total, int) else total
    highest = facing.values.max(axis=1)[facing.instrument].tolist()
    opened = fills.opened.tolist()
    if max(totals) + sum(map(mul, opened, highest)) <= threshold:
        return
    changes = (fills.opened - fills.closed).tolist()
    columns = code.tolist(), facing.instrument.tolist(), facing.values.T.tolist()
    moved = [0] * len(facing.values)  # lots, by those orders that passed
    for at, (denial, instrument, values) in enumerate(zip(*columns, strict=True)):
        lifted = totals[at] + sum(map(mul, moved, values)) + changes[at] * values[instrument]
        if not denial and opened[at] and lifted > threshold:
            code[at] = NUMBERS["global_exposure_exceeded"]
        elif not denial:
            moved[instrument] += changes[at]
