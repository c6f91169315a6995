"""The client of Binance's Spot REST API: public market data and the signed calls for orders.

No call is repeated behind the caller's back but one: a request that the venue refused for its
timestamp goes out again with the venue's time measured anew. Whatever a call sends, it sends before
one deadline.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, Literal

from market.binance.answers import (
    Fill,
    MalformedAnswer,
    OrderResult,
    Parsed,
    order_of,
    parsed,
    prices_of,
    server_time_of,
    trades_of,
)
from market.binance.errors import CredentialsMissing, InvalidTimestamp
from market.binance.signing import Credentials, encoded
from market.binance.transport import Request, Transport, unanswered

Side = Literal["BUY", "SELL"]
OrderType = Literal["MARKET", "LIMIT"]
TimeInForce = Literal["GTC", "IOC", "FOK"]

#: The most trades that the venue lists in one answer.
TRADES_PAGE: Final = 1000
#: The most such answers that are asked for about one order.
MOST_PAGES: Final = 10


class BinanceClient:
    """Speaks to one venue with one account; threads may share it, processes may not.

    Prices are in the quote asset, quantities in the base asset. ``recv_window`` is in milliseconds
    (at most 60000): a request that takes longer to arrive is refused. ``wall_clock`` gives seconds
    since 1970, ``monotonic`` seconds. The timeouts, in seconds, are those to connect and for one
    answer, and that of a call with all its requests where its caller gives no ``deadline`` on the
    monotonic clock: from then on nothing is sent and no answer is waited for.

    Every call raises VenueUnavailable, VenueRateLimited or VenueRejected; a signed one also
    CredentialsMissing, and place_order() and cancel_order() OrderFateUnknown.
    """

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str = "",
        api_secret: str = "",
        recv_window: int = 5000,
        connect_timeout: float = 2,
        read_timeout: float = 5,
        call_timeout: float = 10,
        wall_clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.recv_window = recv_window
        given = api_key.strip() and api_secret.strip()
        self._credentials = Credentials(api_key.strip(), api_secret.strip()) if given else None
        self._transport = Transport(
            base_url, timeouts=(connect_timeout, read_timeout), clock=monotonic
        )
        self._wall_clock, self._monotonic = wall_clock, monotonic
        self._call_timeout = call_timeout
        self._time_offset: int | None = None

    def server_time(self) -> int:
        """Return the venue's time, in milliseconds since 1970."""
        return self._server_time(self.deadline_in(self._call_timeout))

    def deadline_in(self, seconds: float) -> float:
        """Return the moment on the client's monotonic clock that is ``seconds`` ahead."""
        return self._monotonic() + seconds

    def ticker_prices(
        self, symbols: Sequence[str] | None = None, *, deadline: float | None = None
    ) -> dict[str, Decimal]:
        """Return last prices by symbol; of all symbols when none are named.

        Raises BadSymbol when the venue does not list one of them; the others have no price then.
        """
        request = Request("GET", "/api/v3/ticker/price", symbols_parameter(symbols))
        return self._call(request, prices_of, self._until(deadline))

    def place_order(
        self,
        *,
        symbol: str,
        side: Side,
        type: OrderType,
        quantity: Decimal,
        client_order_id: str,
        price: Decimal | None = None,
        time_in_force: TimeInForce | None = None,
        deadline: float | None = None,
    ) -> OrderResult:
        """Place an order; a limit order needs a price and is good till canceled by default.

        Raises OrderFateUnknown when the order may have been placed, DuplicateOrder when one with
        its client id was, and FilterFailure, InsufficientVenueBalance and other refusals when it
        was not.
        """
        if type == "LIMIT":
            time_in_force = time_in_force or "GTC"
        parameters = {
            "symbol": symbol,
            "side": side,
            "type": type,
            "timeInForce": time_in_force,
            "quantity": decimal_text(quantity),
            "price": None if price is None else decimal_text(price),
            "newClientOrderId": client_order_id,
            "newOrderRespType": "FULL",
        }
        return self._signed_call(
            "POST", "/api/v3/order", parameters, order_of, self._until(deadline)
        )

    def cancel_order(
        self, *, symbol: str, client_order_id: str, deadline: float | None = None
    ) -> OrderResult:
        """Cancel an open order and return how it ended.

        Raises CancelRejected when there is no such open order, and OrderFateUnknown when it may
        have been canceled.
        """
        parameters = {"symbol": symbol, "origClientOrderId": client_order_id}
        until = self._until(deadline)
        return self._signed_call("DELETE", "/api/v3/order", parameters, order_of, until)

    def get_order(
        self, *, symbol: str, client_order_id: str, deadline: float | None = None
    ) -> OrderResult:
        """Return an order, without its fills. Raises NoSuchOrder."""
        parameters = {"symbol": symbol, "origClientOrderId": client_order_id}
        until = self._until(deadline)
        return self._signed_call("GET", "/api/v3/order", parameters, order_of, until)

    def my_trades(
        self, *, symbol: str, order_id: int, deadline: float | None = None
    ) -> tuple[Fill, ...]:
        """Return all fills of an order, the oldest first; ``order_id`` is the venue's.

        Of one that filled in more than MOST_PAGES × TRADES_PAGE parts only so many are returned.
        """
        parameters = {"symbol": symbol, "orderId": str(order_id), "limit": str(TRADES_PAGE)}
        until, from_id = self._until(deadline), 0
        fills: tuple[Fill, ...] = ()
        for _ in range(MOST_PAGES):
            asked = parameters | {"fromId": str(from_id)}
            page = self._signed_call("GET", "/api/v3/myTrades", asked, trades_of, until)
            fills += page
            if len(page) < TRADES_PAGE:
                break
            from_id = page[-1].trade_id + 1
        return fills

    def _until(self, deadline: float | None) -> float:
        return self.deadline_in(self._call_timeout) if deadline is None else deadline

    def _signed_call(
        self,
        method: Literal["GET", "POST", "DELETE"],
        path: str,
        parameters: Mapping[str, str | None],
        parse: Callable[[Any], Parsed],
        deadline: float,
    ) -> Parsed:
        credentials = self._credentials
        if credentials is None:
            raise CredentialsMissing("Set the API key and the secret of the venue.")
        present = {name: value for name, value in parameters.items() if value is not None}

        def signed() -> Request:
            # Before the deadline is looked at: what is held up after that is too old to be taken.
            timing = {"recvWindow": str(self.recv_window), "timestamp": str(self._timestamp())}
            return Request(method, path, credentials.sign(present | timing), credentials.api_key)

        if self._time_offset is None:
            self._measure_time_offset(deadline)
        try:
            return self._call(signed(), parse, deadline)
        except InvalidTimestamp:
            self._measure_time_offset(deadline)
        return self._call(signed(), parse, deadline)

    def _call(self, request: Request, parse: Callable[[Any], Parsed], deadline: float) -> Parsed:
        body = self._transport.send(request, deadline=deadline)
        try:
            return parsed(parse, body)
        except MalformedAnswer:
            raise unanswered(request, http_status=200) from None

    def _server_time(self, deadline: float) -> int:
        return self._call(Request("GET", "/api/v3/time"), server_time_of, deadline)

    def _timestamp(self) -> int:
        return self._milliseconds() + (self._time_offset or 0)

    def _measure_time_offset(self, deadline: float) -> None:
        # Taken when the answer is here, the offset errs to the past by the way back: a timestamp
        # may be as old as recvWindow, but no more than a second early.
        self._time_offset = self._server_time(deadline) - self._milliseconds()

    def _milliseconds(self) -> int:
        return int(self._wall_clock() * 1000)


def symbols_parameter(symbols: Sequence[str] | None) -> str:
    """Return the encoded parameter; the venue takes neither spaces nor repetitions."""
    if symbols is None:
        return ""
    return encoded({"symbols": json.dumps(list(dict.fromkeys(symbols)), separators=(",", ":"))})


def decimal_text(value: Decimal) -> str:
    """Return plain digits, without an exponent and without trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
