"""The check before an order is sent agrees with what the venue would say."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.binance.answers import rules_of
from market.binance.client import BinanceClient
from market.binance.errors import FilterFailure, InsufficientVenueBalance
from market.binance.filters import StepFilter, SymbolRules, order_problem
from tests.system.binance_standin.server import BinanceStandin

pytest_plugins = ["tests.system.binance_standin.fixtures"]

MARK = Decimal(65000)


def rules(*filters: dict[str, Any]) -> SymbolRules:
    listed = {"symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT"}
    return rules_of({"symbols": [{**listed, "filters": list(filters)}]})["BTCUSDT"]


@pytest.mark.parametrize(
    ("type", "quantity", "price", "problem"),
    [
        ("LIMIT", "0.1", "65000.01", None),
        ("LIMIT", "0.1", "65000.001", "PRICE_FILTER"),
        ("LIMIT", "0.1", "0", "PRICE_FILTER"),
        ("LIMIT", "0.1", "1000000.01", "PRICE_FILTER"),
        ("LIMIT", "0.000001", "65000", "LOT_SIZE"),
        ("LIMIT", "0.100001", "65000", "LOT_SIZE"),
        ("LIMIT", "9000.00001", "65000", "LOT_SIZE"),
        ("LIMIT", "0.00007", "65000", "NOTIONAL"),
        ("LIMIT", "0.00008", "62500", None),
        ("LIMIT", "0.00008", "62499.99", "NOTIONAL"),
        ("LIMIT", "150", "65000", "NOTIONAL"),
        ("MARKET", "0.1", None, None),
        ("MARKET", "0.1000000", None, None),
        ("MARKET", "0.000001", None, "LOT_SIZE"),
        ("MARKET", "100", None, None),
        ("MARKET", "100.00001", None, "MARKET_LOT_SIZE"),
        ("MARKET", "0.00007", None, "NOTIONAL"),
    ],
)
def test_client_and_venue_agree(
    type: Any,
    quantity: str,
    price: str | None,
    problem: str | None,
    binance_standin: BinanceStandin,
    binance_client: BinanceClient,
) -> None:
    binance_standin.set_balance("USDT", "1E+12")
    limit = None if price is None else Decimal(price)
    found = order_problem(
        binance_client.exchange_info(["BTCUSDT"])["BTCUSDT"],
        type=type,
        quantity=Decimal(quantity),
        price=MARK if limit is None else limit,
    )
    assert (found and found.filter) == problem
    order: Any = {"symbol": "BTCUSDT", "side": "BUY", "type": type, "client_order_id": "ours"}
    sent = {**order, "quantity": Decimal(quantity), "price": limit}
    if problem is None:
        assert binance_client.place_order(**sent).client_order_id == "ours"
    else:
        with pytest.raises(FilterFailure) as caught:
            binance_client.place_order(**sent)
        assert caught.value.filter == problem


def test_a_problem_says_why() -> None:
    found = StepFilter("LOT_SIZE", Decimal("0.1"), Decimal(9), Decimal("0.1")).problem(Decimal(10))
    assert found
    assert found.detail == "10 is above 9."


def test_a_market_order_is_valued_at_any_price(binance_client: BinanceClient) -> None:
    rules_now = binance_client.exchange_info(["BTCUSDT"])["BTCUSDT"]
    order: Any = {"quantity": Decimal(100), "price": Decimal("95000.001")}
    assert order_problem(rules_now, type="MARKET", **order) is None
    limit = order_problem(rules_now, type="LIMIT", **{**order, "price": Decimal(95000)})
    assert limit
    assert limit.filter == "NOTIONAL"


def test_a_balance_is_no_filter(binance_client: BinanceClient) -> None:
    rules_now = binance_client.exchange_info(["BTCUSDT"])["BTCUSDT"]
    much = Decimal(90)
    assert order_problem(rules_now, type="MARKET", quantity=much, price=MARK) is None
    with pytest.raises(InsufficientVenueBalance):
        binance_client.place_order(
            symbol="BTCUSDT", side="BUY", type="MARKET", quantity=much, client_order_id="ours"
        )


def test_a_symbol_without_rules_takes_anything() -> None:
    free = rules()
    assert order_problem(free, type="LIMIT", quantity=Decimal("1E-9"), price=Decimal(1)) is None


@pytest.mark.parametrize(("applies", "problem"), [(True, "MIN_NOTIONAL"), (False, None)])
def test_min_notional_for_market_orders(applies: bool, problem: str | None) -> None:
    old = rules(
        {"filterType": "MIN_NOTIONAL", "minNotional": "10.00", "applyToMarket": applies},
    )
    small: Any = {"quantity": Decimal(1), "price": Decimal("9.99")}
    found = order_problem(old, type="MARKET", **small)
    assert (found and found.filter) == problem
    limit = order_problem(old, type="LIMIT", **small)
    assert limit
    assert limit.filter == "MIN_NOTIONAL"


def test_largest_notional_for_market_orders() -> None:
    capped = rules(
        {
            "filterType": "NOTIONAL",
            "minNotional": "0",
            "applyMinToMarket": True,
            "maxNotional": "10",
            "applyMaxToMarket": True,
        }
    )
    found = order_problem(capped, type="MARKET", quantity=Decimal(2), price=Decimal("5.01"))
    assert found
    assert found.detail == "10.02 is above 10."


@given(
    multiple=st.integers(1, 10**12),
    off=st.integers(0, 10**4 - 1),
    step=st.sampled_from(["0.00010000", "1.00000000", "100.00000000"]),
)
def test_steps_are_counted_exactly(multiple: int, off: int, step: str) -> None:
    lot = rules(
        {"filterType": "LOT_SIZE", "minQty": "0", "maxQty": "0.00000000", "stepSize": step}
    ).lot_size
    assert lot
    size = Decimal(step)
    quantity = multiple * size + off * size / 10**4
    assert (lot.problem(quantity) is None) == (off == 0)


@given(value=st.decimals(max_value=0, allow_nan=False, allow_infinity=False))
def test_nothing_and_less_is_no_quantity(value: Decimal) -> None:
    free = StepFilter("LOT_SIZE", Decimal(), Decimal(), Decimal())
    assert free.problem(value)
