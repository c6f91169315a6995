"""Holds what a venue says about an order against the order: the one place where that is done.

A venue may be wrong, or somebody else may answer in its place. What does not fit is not booked.
Pure: the caller has read the order, its mark and its collar under the account's lock.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from market.binance.answers import Fill, OrderResult
from market.kernel.amounts import EXACT, UNIT, ZERO, is_multiple, plain
from risk.collar import is_within_collar
from trading.models import OrderStatus, OrderType, Side

#: How the venue ends orders; what is not listed goes on.
ENDINGS: Final = {
    "FILLED": OrderStatus.FILLED,
    "CANCELED": OrderStatus.CANCELED,
    "REJECTED": OrderStatus.EXPIRED,
    "EXPIRED": OrderStatus.EXPIRED,
    "EXPIRED_IN_MATCH": OrderStatus.EXPIRED,
}
#: Statuses of orders that go on.
GOING_ON: Final = frozenset({"NEW", "PARTIALLY_FILLED", "PENDING_NEW", "PENDING_CANCEL"})
#: The venue's list of fills may be behind; for longer than this it is not waited for.
LISTED_WITHIN: Final = timedelta(minutes=10)
#: Of a parked answer so many fills are kept, and of each text so many characters.
MOST_FILLS: Final = 50
LONGEST_TEXT: Final = 40


@dataclass(frozen=True, slots=True)
class Asked:
    """An order as the venue was asked for it, and what the answer is held against.

    ``booked`` is how much of it is, and for ``unchanged_for`` that has been so.
    """

    symbol: str
    client_order_id: str
    side: Side
    type: OrderType
    size: Decimal
    limit: Decimal | None
    booked: Decimal
    unchanged_for: timedelta
    mark: Decimal
    collar: Decimal


@dataclass(frozen=True, slots=True)
class Answer:
    """What the venue says about an order, with the fills that it lists."""

    result: OrderResult
    fills: Sequence[Fill]

    @property
    def listed(self) -> Decimal:
        return sum((fill.quantity for fill in self.fills), ZERO)

    @property
    def executed(self) -> Decimal:
        """Return how much the venue says it filled, in whichever part of the answer says more."""
        return max(self.result.executed_quantity, self.listed)

    def unbooked(self, booked: Decimal) -> Iterator[tuple[Decimal, Decimal]]:
        """Yield (price, size) of what was filled beyond ``booked``, the oldest first."""
        for fill in sorted(self.fills, key=lambda fill: fill.trade_id):
            known = min(booked, fill.quantity)
            booked -= known
            if fill.quantity > known:
                yield fill.price, fill.quantity - known

    @property
    def words(self) -> dict[str, Any]:
        """Return the answer as it can be stored and shown."""
        result = self.result
        return {
            "symbol": shown(result.symbol),
            "orderId": str(result.order_id),
            "clientOrderId": shown(result.client_order_id),
            "side": shown(result.side),
            "type": shown(result.type),
            "status": shown(result.status),
            "price": plain(result.price),
            "origQty": plain(result.quantity),
            "executedQty": plain(result.executed_quantity),
            "fills": [words_of(fill) for fill in self.fills[:MOST_FILLS]],
        }


def words_of(fill: Fill) -> dict[str, Any]:
    about = {"symbol": fill.symbol, "orderId": fill.order_id, "isBuyer": fill.is_buy}
    return {
        "id": str(fill.trade_id),
        "price": plain(fill.price),
        "qty": plain(fill.quantity),
        "commission": f"{plain(fill.commission)} {shown(fill.commission_asset)}",
        **{name: shown(str(value)) for name, value in about.items() if value is not None},
    }


def shown(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text[:LONGEST_TEXT])


def complaint_about(answer: Answer, asked: Asked) -> str:
    """Return the first thing that does not fit the order; empty where all of it does."""
    for check in (identity, quantities, listed_fills, prices):
        for complaint in check(answer, asked):
            return complaint
    return ""


def identity(answer: Answer, asked: Asked) -> Iterator[str]:
    """The answer is about this order and says what it was."""
    result = answer.result
    told: dict[str, tuple[str | Decimal, str | Decimal]] = {
        "symbol": (result.symbol, asked.symbol),
        "client order id": (result.client_order_id, asked.client_order_id),
        "side": (result.side, asked.side.upper()),
        "type": (result.type, asked.type.upper()),
        "size": (result.quantity, asked.size),
        "limit": (result.price, result.price if asked.limit is None else asked.limit),
    }
    for what, (found, wanted) in told.items():
        if found != wanted:
            yield f"The {what} is {text_of(found)} instead of {text_of(wanted)}."
    if result.status not in ENDINGS and result.status not in GOING_ON:
        yield f"The status {shown(result.status)} is not known."


def text_of(value: str | Decimal) -> str:
    return plain(value) if isinstance(value, Decimal) else shown(value)


def quantities(answer: Answer, asked: Asked) -> Iterator[str]:
    """The venue filled no more than was asked for, all of it if it says so, and takes none back."""
    result = answer.result
    if result.executed_quantity < 0 or answer.executed > asked.size:
        yield f"It filled {plain(answer.executed)} of {plain(asked.size)}."
    if result.status == "FILLED" and result.executed_quantity != asked.size:
        yield f"It is filled with {plain(result.executed_quantity)} of {plain(asked.size)}."
    if result.status in ENDINGS and result.executed_quantity < asked.booked:
        yield f"It ended with {plain(result.executed_quantity)}; {plain(asked.booked)} is booked."


def listed_fills(answer: Answer, asked: Asked) -> Iterator[str]:
    """Each fill is one of this order, is listed once, and is an amount that the ledger can hold."""
    ids = [fill.trade_id for fill in answer.fills]
    if len(set(ids)) < len(ids):
        yield "It lists a fill twice."
    if answer.listed < answer.executed and asked.unchanged_for > LISTED_WITHIN:
        yield f"It lists {plain(answer.listed)} of {plain(answer.executed)} filled."
    for fill in answer.fills:
        if (
            fill.symbol not in (None, asked.symbol)
            or fill.order_id not in (None, answer.result.order_id)
            or fill.is_buy not in (None, asked.side == Side.BUY)
        ):
            yield f"The fill {fill.trade_id} belongs to another order."
        if not can_be_booked(fill.price, fill.quantity):
            yield f"The fill of {plain(fill.quantity)} at {plain(fill.price)} cannot be booked."


def can_be_booked(price: Decimal, size: Decimal) -> bool:
    """Tell whether a fill is positive and exact to the ledger's smallest unit."""
    amounts = (price, size, EXACT.multiply(price, size))
    return min(amounts) > 0 and all(is_multiple(amount, UNIT) for amount in amounts)


def prices(answer: Answer, asked: Asked) -> Iterator[str]:
    """No fill is worse than the order's limit or outside the collar of the mark."""
    for price, _ in answer.unbooked(asked.booked):
        if asked.limit is not None and is_worse(price, asked.limit, asked.side):
            yield f"It filled at {plain(price)}, beyond the limit of {plain(asked.limit)}."
        if not is_within_collar(price=price, mark=asked.mark, collar=asked.collar):
            yield f"It filled at {plain(price)}, too far from the mark of {plain(asked.mark)}."


def is_worse(price: Decimal, limit: Decimal, side: Side) -> bool:
    return price > limit if side == Side.BUY else price < limit
