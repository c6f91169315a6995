"""Answers of the venue as values; what is not of the documented shape is a MalformedAnswer."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, TypeVar

Parsed = TypeVar("Parsed")
Json = Mapping[str, Any]

#: How the venue writes amounts: no exponent, and never more digits than a database column holds.
DECIMAL: Final = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?", re.ASCII)
#: Numbers of orders and trades and times are integers of 64 bits.
LARGEST_NUMBER: Final = 2**63 - 1


class MalformedAnswer(Exception):
    """An answer is not of the documented shape."""


@dataclass(frozen=True, slots=True)
class Fill:
    """A part of an order that was filled: price in the quote asset, quantity in the base asset.

    ``symbol``, ``order_id`` and ``is_buy`` are None where the answer does not repeat them.
    ``commission`` is what the account at the venue paid, in whatever asset: no fee of ours (see
    docs/venue.md), but told to whoever looks into an answer.
    """

    trade_id: int
    price: Decimal
    quantity: Decimal
    commission: Decimal
    commission_asset: str
    symbol: str | None = None
    order_id: int | None = None
    is_buy: bool | None = None


@dataclass(frozen=True, slots=True)
class OrderResult:
    """An order as the venue knows it.

    ``status`` is NEW, PARTIALLY_FILLED, FILLED, CANCELED, REJECTED, EXPIRED or EXPIRED_IN_MATCH.
    ``price`` is the limit price, zero for a market order. ``quote_quantity`` is Σ price × quantity
    of the fills, None where the venue does not have it. Only the answer to a placement lists
    ``fills``; see ``fills_complete``.
    """

    symbol: str
    order_id: int
    client_order_id: str
    side: str
    type: str
    status: str
    price: Decimal
    quantity: Decimal
    executed_quantity: Decimal
    quote_quantity: Decimal | None
    fills: tuple[Fill, ...]

    @property
    def fills_complete(self) -> bool:
        """Tell whether ``fills`` is all that was filled; if not, my_trades() has it."""
        return sum((fill.quantity for fill in self.fills), Decimal()) == self.executed_quantity


def parsed(parse: Callable[[Any], Parsed], body: Any) -> Parsed:
    """Return ``parse(body)``. Raises MalformedAnswer."""
    try:
        return parse(body)
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise MalformedAnswer(f"{parse.__name__}: {error!r}") from error


def server_time_of(body: Json) -> int:
    """Return milliseconds since 1970."""
    return number_of(body["serverTime"])


def prices_of(body: list[Json]) -> dict[str, Decimal]:
    """Return prices by symbol; a symbol that never traded, at price zero, has none."""
    prices = {str(ticker["symbol"]): decimal_of(ticker["price"]) for ticker in body}
    return {symbol: price for symbol, price in prices.items() if price > 0}


def order_of(body: Json) -> OrderResult:
    """Return an order from the answer to a placement, a cancellation or a question."""
    quote_quantity = decimal_of(body["cummulativeQuoteQty"])
    return OrderResult(
        symbol=str(body["symbol"]),
        order_id=number_of(body["orderId"]),
        # A cancellation has an id of its own; the order's is then beside it.
        client_order_id=str(body.get("origClientOrderId") or body["clientOrderId"]),
        side=str(body["side"]),
        type=str(body["type"]),
        status=str(body["status"]),
        price=decimal_of(body["price"]),
        quantity=decimal_of(body["origQty"]),
        executed_quantity=decimal_of(body["executedQty"]),
        # The documented sign of "not available at this time" is a negative number.
        quote_quantity=quote_quantity if quote_quantity >= 0 else None,
        fills=tuple(fill_of(fill) for fill in body.get("fills", ())),
    )


def fill_of(body: Json) -> Fill:
    """Return a fill from the answer to a placement."""
    return Fill(number_of(body["tradeId"]), *amounts_of(body))


def trades_of(body: list[Json]) -> tuple[Fill, ...]:
    """Return the fills of a trade list, the oldest first."""
    return tuple(trade_of(trade) for trade in body)


def trade_of(body: Json) -> Fill:
    return Fill(
        number_of(body["id"]),
        *amounts_of(body),
        symbol=str(body["symbol"]),
        order_id=number_of(body["orderId"]),
        is_buy=bool(body["isBuyer"]),
    )


def amounts_of(body: Json) -> tuple[Decimal, Decimal, Decimal, str]:
    """Return price, quantity, commission and its asset of a fill."""
    return (
        decimal_of(body["price"]),
        decimal_of(body["qty"]),
        decimal_of(body["commission"]),
        str(body["commissionAsset"]),
    )


def decimal_of(text: Any) -> Decimal:
    """Return a decimal that the venue writes as text, never by way of a float."""
    if not isinstance(text, str) or not DECIMAL.fullmatch(text):
        raise ValueError(f"{text!r:.40} is not decimal text")
    return Decimal(text)


def number_of(value: Any) -> int:
    """Return a whole number, such as that of an order."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST_NUMBER:
        raise ValueError(f"{value!r:.40} is no number")
    return value
