"""Calls that the venue answers: market data, orders, and its refusals."""

import time
from decimal import Decimal
from typing import Any

import pytest

from market.binance import errors
from market.binance.answers import Fill
from market.binance.client import BinanceClient, decimal_text
from tests.each import each
from tests.system.binance_standin.clients import ClientOf
from tests.system.binance_standin.faults import Answer
from tests.system.binance_standin.orders import Symbol
from tests.system.binance_standin.server import BinanceStandin

pytest_plugins = ["tests.system.binance_standin.fixtures"]

MARKET_BUY: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "MARKET",
    "quantity": Decimal("0.1"),
    "client_order_id": "ours-1",
}
LIMIT_BUY: dict[str, Any] = {**MARKET_BUY, "type": "LIMIT", "price": Decimal("60000.00")}


def test_server_time(binance_client: BinanceClient) -> None:
    assert abs(binance_client.server_time() - time.time() * 1000) < 5000


def test_prices_are_exact(binance_standin: BinanceStandin, binance_client: BinanceClient) -> None:
    binance_standin.set_price("BTCUSDT", "65432.10000001")
    prices = binance_client.ticker_prices(["BTCUSDT", "ETHUSDT", "BTCUSDT"])
    assert prices == {"BTCUSDT": Decimal("65432.10000001"), "ETHUSDT": Decimal(3200)}
    assert binance_client.ticker_prices() == prices


def test_a_symbol_that_never_traded_has_no_price(
    binance_standin: BinanceStandin, binance_client: BinanceClient
) -> None:
    unit = Decimal("0.01")
    binance_standin.list_symbol(Symbol("NEWUSDT", "NEW", "USDT", Decimal(), unit, unit, unit))
    assert binance_client.ticker_prices(["NEWUSDT", "ETHUSDT"]) == {"ETHUSDT": Decimal(3200)}


def test_unknown_symbols(binance_client: BinanceClient) -> None:
    with pytest.raises(errors.BadSymbol) as caught:
        binance_client.ticker_prices(["BTCUSDT", "NOSUCHUSDT"])
    assert (caught.value.venue_code, caught.value.http_status) == (-1121, 400)
    assert caught.value.context == {"venue_code": -1121}


def test_public_calls_need_no_credentials(binance_client_of: ClientOf) -> None:
    client = binance_client_of(api_key="", api_secret="")
    assert client.ticker_prices(["BTCUSDT"])


def test_signed_calls_without_credentials_send_nothing(
    binance_standin: BinanceStandin, binance_client_of: ClientOf
) -> None:
    for missing in ("api_key", "api_secret"):
        with pytest.raises(errors.CredentialsMissing) as caught:
            binance_client_of(**{missing: ""}).place_order(**MARKET_BUY)
        assert caught.value.code == "venue_credentials_missing"
    assert binance_standin.seen == []


def test_market_order_in_several_fills(
    binance_standin: BinanceStandin, binance_client: BinanceClient
) -> None:
    asks = [(Decimal(65000), Decimal("0.04")), (Decimal("65010.5"), Decimal(1))]
    binance_standin.set_book("BTCUSDT", bids=[], asks=asks)
    order = binance_client.place_order(**MARKET_BUY)
    assert (order.status, order.client_order_id) == ("FILLED", "ours-1")
    assert order.executed_quantity == order.quantity == Decimal("0.1")
    assert order.quote_quantity == Decimal("6500.63")
    assert order.fills == (
        Fill(1, Decimal(65000), Decimal("0.04"), Decimal("0.00004"), "BTC"),
        Fill(2, Decimal("65010.5"), Decimal("0.06"), Decimal("0.00006"), "BTC"),
    )
    assert order.fills_complete
    assert binance_standin.matching.balances["BTC"] == Decimal("10.0999")


def test_a_book_too_thin_expires_the_rest(
    binance_standin: BinanceStandin, binance_client: BinanceClient
) -> None:
    binance_standin.set_book("BTCUSDT", bids=[(Decimal(65000), Decimal("0.03"))], asks=[])
    order = binance_client.place_order(**{**MARKET_BUY, "side": "SELL"})
    assert (order.status, order.executed_quantity) == ("EXPIRED", Decimal("0.03"))
    assert [fill.commission for fill in order.fills] == [Decimal("1.95")]


def test_life_of_a_resting_order(
    binance_standin: BinanceStandin, binance_client: BinanceClient
) -> None:
    placed = binance_client.place_order(**LIMIT_BUY)
    assert (placed.status, placed.fills, placed.price) == ("NEW", (), Decimal(60000))
    binance_standin.fill("ours-1", "60000", "0.04")
    binance_standin.fill("ours-1", "59999.5", "0.01")
    order = binance_client.get_order(symbol="BTCUSDT", client_order_id="ours-1")
    assert (order.status, order.executed_quantity) == ("PARTIALLY_FILLED", Decimal("0.05"))
    assert order.quote_quantity == Decimal("2999.995")
    assert not order.fills_complete
    fills = binance_client.my_trades(symbol="BTCUSDT", order_id=order.order_id)
    assert [(fill.price, fill.quantity) for fill in fills] == [
        (Decimal(60000), Decimal("0.04")),
        (Decimal("59999.5"), Decimal("0.01")),
    ]
    canceled = binance_client.cancel_order(symbol="BTCUSDT", client_order_id="ours-1")
    assert (canceled.status, canceled.client_order_id) == ("CANCELED", "ours-1")
    assert canceled.executed_quantity == Decimal("0.05")


def test_crossing_limit_order_rests_with_what_is_left(
    binance_standin: BinanceStandin, binance_client: BinanceClient
) -> None:
    asks = [(Decimal(59000), Decimal("0.03")), (Decimal(61000), Decimal(1))]
    binance_standin.set_book("BTCUSDT", bids=[], asks=asks)
    order = binance_client.place_order(**LIMIT_BUY)
    assert (order.status, order.executed_quantity) == ("PARTIALLY_FILLED", Decimal("0.03"))


@pytest.mark.parametrize(("time_in_force", "executed"), [("IOC", "0.03"), ("FOK", "0")])
def test_time_in_force(
    time_in_force: Any,
    executed: str,
    binance_standin: BinanceStandin,
    binance_client: BinanceClient,
) -> None:
    asks = [(Decimal(59000), Decimal("0.03"))]
    binance_standin.set_book("BTCUSDT", bids=[], asks=asks)
    order = binance_client.place_order(**LIMIT_BUY, time_in_force=time_in_force)
    assert (order.status, order.executed_quantity) == ("EXPIRED", Decimal(executed))


def test_an_old_order_whose_value_is_lost(
    binance_standin: BinanceStandin, binance_client: BinanceClient
) -> None:
    binance_client.place_order(**MARKET_BUY)
    lost = {**binance_standin.order("ours-1").json(), "cummulativeQuoteQty": "-1.00000000"}
    binance_standin.fail_next(Answer(200, lost), method="GET")
    order = binance_client.get_order(symbol="BTCUSDT", client_order_id="ours-1")
    assert (order.executed_quantity, order.quote_quantity) == (Decimal("0.1"), None)


def test_all_pages_of_trades(
    binance_standin: BinanceStandin, binance_client: BinanceClient
) -> None:
    order = binance_client.place_order(**{**LIMIT_BUY, "quantity": Decimal(1)})
    for _ in range(1001):
        binance_standin.fill("ours-1", "60000", "0.00001")
    fills = binance_client.my_trades(symbol="BTCUSDT", order_id=order.order_id)
    assert [fill.trade_id for fill in fills] == list(range(1, 1002))


def test_client_order_ids_with_reserved_characters(binance_client: BinanceClient) -> None:
    odd = "a/b:c_d-e.F"
    binance_client.place_order(**{**LIMIT_BUY, "client_order_id": odd})
    order = binance_client.get_order(symbol="BTCUSDT", client_order_id=odd)
    assert order.client_order_id == odd


@each(
    ("change", "error", "venue_code"),
    [
        ({"symbol": "NOSUCH"}, errors.BadSymbol, -1121),
        ({"quantity": Decimal("0.000001")}, errors.FilterFailure, -1013),
        ({"quantity": Decimal(50)}, errors.InsufficientVenueBalance, -2010),
        ({"side": "HOLD"}, errors.VenueRejected, -1117),
        ({"price": Decimal(1)}, errors.VenueRejected, -1106),
        ({"client_order_id": "x" * 37}, errors.VenueRejected, -1100),
    ],
)
def test_refused_orders(
    change: dict[str, Any],
    error: type[errors.VenueRejected],
    venue_code: int,
    binance_standin: BinanceStandin,
    binance_client: BinanceClient,
) -> None:
    with pytest.raises(errors.VenueRejected) as caught:
        binance_client.place_order(**{**MARKET_BUY, **change})
    assert type(caught.value) is error
    assert (caught.value.venue_code, caught.value.http_status) == (venue_code, 400)
    assert binance_standin.orders == []


def test_a_failed_filter_is_named(binance_client: BinanceClient) -> None:
    with pytest.raises(errors.FilterFailure) as caught:
        binance_client.place_order(**{**LIMIT_BUY, "price": Decimal("60000.001")})
    assert caught.value.filter == "PRICE_FILTER"


def test_an_open_client_order_id_is_taken(
    binance_standin: BinanceStandin, binance_client: BinanceClient
) -> None:
    binance_client.place_order(**LIMIT_BUY)
    with pytest.raises(errors.DuplicateOrder):
        binance_client.place_order(**LIMIT_BUY)
    binance_standin.fill("ours-1", "60000", "0.1")
    binance_client.place_order(**LIMIT_BUY)
    assert len(binance_standin.orders) == 2


def test_unknown_orders(binance_standin: BinanceStandin, binance_client: BinanceClient) -> None:
    ours = {"symbol": "BTCUSDT", "client_order_id": "ours-1"}
    with pytest.raises(errors.NoSuchOrder):
        binance_client.get_order(**ours)
    with pytest.raises(errors.CancelRejected):
        binance_client.cancel_order(**ours)
    binance_client.place_order(**MARKET_BUY)
    with pytest.raises(errors.CancelRejected):
        binance_client.cancel_order(**ours)
    binance_standin.wipe()
    with pytest.raises(errors.NoSuchOrder):
        binance_client.get_order(**ours)


@each(
    ("credentials", "venue_code", "http_status"),
    [
        ({"api_key": "somebodyElses"}, -2015, 401),
        ({"api_key": "not-a-key"}, -2014, 401),
        ({"api_secret": "wrong"}, -1022, 400),
    ],
)
def test_refused_credentials(
    credentials: dict[str, str], venue_code: int, http_status: int, binance_client_of: ClientOf
) -> None:
    with pytest.raises(errors.CredentialsRefused) as caught:
        binance_client_of(**credentials).place_order(**MARKET_BUY)
    assert (caught.value.venue_code, caught.value.http_status) == (venue_code, http_status)


def test_credentials_may_come_with_a_line_break(binance_client_of: ClientOf) -> None:
    client = binance_client_of(
        api_key=f"{BinanceStandin.api_key}\n", api_secret=f" {BinanceStandin.api_secret}\r\n"
    )
    assert client.place_order(**MARKET_BUY).status == "FILLED"


@each(
    ("value", "text"),
    [
        ("1E+3", "1000"),
        ("0.10", "0.1"),
        ("1E-8", "0.00000001"),
        ("100", "100"),
        ("0.000", "0"),
        ("12345678901234567890123456789.5", "12345678901234567890123456789.5"),
    ],
)
def test_decimals_are_sent_in_plain_digits(value: str, text: str) -> None:
    assert decimal_text(Decimal(value)) == text
