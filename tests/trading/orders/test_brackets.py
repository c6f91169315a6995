"""Maintenance brackets, from the order that opens a position to the mark that closes it out."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from market.models import Instrument
from risk.models import RiskPolicy
from risk.policy import PolicyError
from risk.selectors import policy_in_force
from risk.services import change_policy, set_policy
from tests.conftest import ClientOf
from tests.each import each
from tests.trading.conftest import Marks, Trader, order
from trading.models import Order, OrderStatus
from trading.steps.reporting import describe_liquidation

D = Decimal
#: From 50,000 on 0.05 × notional − 2,000.
LADDER = "BTCUSDT 50000: 0.01 20x, 200000: 0.05 10x"
#: From 66,000 on 0.1 × notional − 3,300: what was opened at 20x requires more as it grows.
GROWING = "BTCUSDT 66000: 0.05 20x, 500000: 0.1 10x"


@pytest.fixture
def brackets(market: Any) -> None:
    hold_to_brackets()


def hold_to_brackets(ladders: str = LADDER, **changes: Any) -> None:
    asked = {"margin_mode": "brackets", "maintenance_brackets": ladders, **changes}
    change_policy(reason="A test", changes=asked)


def place(api: APIClient, **changes: Any) -> Any:
    body = {"symbol": "BTCUSDT", "side": "buy", "size": "0.5", **changes}
    return api.post("/orders", json.dumps(body), content_type="application/json")


@pytest.mark.usefixtures("brackets")
def test_leverage_falls_with_what_the_position_will_be_worth(
    trader: Trader, client_of: ClientOf
) -> None:
    api = client_of(trader("100000", "advanced"))
    assert place(api).json()["order"]["leverage"] == 20
    beyond = place(api, leverage=11)
    assert (beyond.status_code, beyond.json()["code"]) == (400, "leverage_exceeds_bracket")
    assert beyond.json()["detail"] == (
        "A position in BTCUSDT that is worth 65000 USDT may have a leverage of up to 10, not 11."
    )
    assert place(api).json()["order"]["leverage"] == 10
    assert place(api, side="sell", leverage=20).status_code == 200
    beyond = place(api, size="2.6")
    assert (beyond.json()["code"], beyond.status_code) == ("position_exceeds_brackets", 400)
    unknown = place(api, symbol="ETHUSDT")
    assert (unknown.json()["code"], unknown.status_code) == ("brackets_missing", 400)


@pytest.mark.usefixtures("market")
def test_a_position_without_a_ladder_is_held_to_the_share_and_may_close(
    trader: Trader, marks: Marks, client_of: ClientOf
) -> None:
    user = trader("10000")
    api = client_of(user)
    order(user, "buy", "20", "ETHUSDT", leverage=10)
    hold_to_brackets()
    [position] = api.get("/account/me").json()["positions"]
    assert position["maintenance_margin"] == "3200.00000000"
    assert position["liquidation_price"] == "2860.00000000"
    assert not marks(ETHUSDT="2860").liquidations
    assert place(api, symbol="ETHUSDT", side="sell", size="1").status_code == 200
    assert marks(ETHUSDT="2800").liquidations


@pytest.mark.usefixtures("brackets")
def test_an_account_is_closed_out_below_its_maintenance(
    trader: Trader, marks: Marks, client_of: ClientOf
) -> None:
    """10,000 and a long of 1 at 65,000: 10,000 − (65,000 − p) = 0.05 p − 2,000 at 55,789.47…"""
    user = trader("10000")
    api = client_of(user)
    order(user, "buy", "1")
    told = api.get("/account/me").json()
    assert (told["maintenance_margin"], told["margin_ratio"]) == ("1250.00000000", "1.53846154")
    [position] = told["positions"]
    assert position["maintenance_margin"] == "1250.00000000"
    assert position["liquidation_price"] == "55789.47368421"
    assert not marks(BTCUSDT="55789.48").liquidations
    assert api.get("/account/me").json()["margin_ratio"] == "0.12145846"

    [done] = marks(BTCUSDT="55789.47").liquidations
    assert (done.equity_before, done.maintenance_before) == (D("789.47"), D("789.4735"))
    assert "margin 6500, maintenance 789.4735, insurance" in describe_liquidation(done)
    [told] = api.get("/liquidations").json()["results"]
    assert (told["maintenance_before"], told["maintenance_after"]) == ("789.47350000", "0.00000000")
    [closed] = api.get("/account/me").json()["positions"]
    assert "maintenance_margin" not in closed


@each(
    ("mode", "closed", "left"),
    [
        ("full", {"BTCUSDT": "1", "ETHUSDT": "1"}, "0"),
        ("largest_loss_first", {"BTCUSDT": "1"}, "31.9"),
        ("partial", {"BTCUSDT": "0.06807"}, "631.9847"),
    ],
)
@pytest.mark.usefixtures("market")
def test_a_close_out_ends_where_equity_is_what_is_required(
    trader: Trader, marks: Marks, mode: str, closed: dict[str, str], left: str
) -> None:
    """790 are left of equity, and 0.05 × 55,800 − 2,000 + 31.9 are required, or in parts 632."""
    hold_to_brackets(f"{LADDER}; ETHUSDT 50000: 0.01 20x", liquidation_mode=mode)
    user = trader("10000")
    order(user, "buy", "1")
    order(user, "buy", "1", "ETHUSDT")
    [done] = marks(BTCUSDT="55800", ETHUSDT="3190").liquidations
    assert (done.equity_before, done.maintenance_before) == (D(790), D("821.9"))
    trades = {trade.instrument.symbol: trade.size for trade in done.trades.all()}
    assert trades == {symbol: D(size) for symbol, size in closed.items()}
    assert done.maintenance_after == D(left)


@pytest.mark.usefixtures("brackets")
def test_orders_that_rest_may_not_pass_together_what_one_may_not(
    trader: Trader, marks: Marks
) -> None:
    """Each alone is within the first bracket; the second one to fill would not be."""
    user = trader("100000", "advanced")
    first, second = (order(user, "buy", "0.5", price="64000", leverage=20) for _ in range(2))
    marks(BTCUSDT="63000")
    first, second = Order.objects.get(pk=first.pk), Order.objects.get(pk=second.pk)
    assert (first.status, second.status) == (OrderStatus.FILLED, OrderStatus.EXPIRED)
    assert second.reject_code == "leverage_exceeds_bracket"


@each(("missing", "code"), [("0", None), ("0.00000001", "below_maintenance")])
@pytest.mark.usefixtures("market")
def test_an_order_leaves_no_less_than_what_all_positions_then_require(
    trader: Trader, marks: Marks, client_of: ClientOf, missing: str, code: str | None
) -> None:
    """A short of 1 from 65,000 has lost 5,000; with 0.5 more 0.1 × 105,000 − 3,300 are required.

    Of margin 3,250 and 3,500 would do. Fees are 65 and 35.
    """
    Instrument.objects.update(taker_fee_rate=D("0.001"))
    hold_to_brackets(GROWING)
    user = trader(str(D(7_200 + 5_000 + 65 + 35) - D(missing)), "advanced")
    api = client_of(user)
    order(user, "sell", "1", leverage=20)
    assert not marks(BTCUSDT="70000").liquidations
    answer = place(api, side="sell", leverage=10).json()
    assert answer.get("code") == code
    if code:
        assert answer["detail"] == (
            "After this order equity would be 7199.99999999 USDT at the marks, less than the "
            "7200 USDT that all positions would then require."
        )
        assert place(api, side="sell", leverage=10, size="0.49").status_code == 200
    told = api.get("/account/me").json()
    assert D(told["equity"]) >= D(told["maintenance_margin"])
    assert not marks(BTCUSDT="70000").liquidations


@each(
    ("missing", "status", "code"),
    [("0", "FILLED", ""), ("0.00000001", "EXPIRED", "below_maintenance")],
)
@pytest.mark.usefixtures("market")
def test_an_order_that_rests_is_asked_for_maintenance_as_it_fills(
    trader: Trader, marks: Marks, missing: str, status: str, code: str
) -> None:
    """At 70,010 the short has lost 5,010, and 0.5 sold at 70,000 lose 5 and cost 35."""
    Instrument.objects.update(maker_fee_rate=D("0.001"))
    hold_to_brackets(GROWING)
    user = trader(str(D("7201.5") + 5_010 + 5 + 35 - D(missing)), "advanced")
    order(user, "sell", "1", leverage=20)
    resting = order(user, "sell", "0.5", price="70000", leverage=10)
    assert resting.status == OrderStatus.NEW
    assert not marks(BTCUSDT="70010").liquidations
    resting.refresh_from_db()
    assert (resting.status, resting.reject_code) == (status, code)


@pytest.mark.usefixtures("market")
def test_the_limits_tell_the_brackets_in_force(trader: Trader, client_of: ClientOf) -> None:
    user = trader("10000")
    api = client_of(user)
    order(user, "buy", "0.1")
    for answer in (api.get("/account/me").json(), *api.get("/positions").json()["results"]):
        assert "maintenance_margin" not in answer
    assert "maintenance_brackets" not in api.get("/account/limits").json()
    hold_to_brackets()
    assert api.get("/account/limits").json()["maintenance_brackets"] == {
        "BTCUSDT": [
            {
                "cap": "50000.00000000",
                "rate": "0.01000000",
                "max_leverage": 20,
                "cumulative": "0.00000000",
            },
            {
                "cap": "200000.00000000",
                "rate": "0.05000000",
                "max_leverage": 10,
                "cumulative": "2000.00000000",
            },
        ]
    }


@pytest.mark.usefixtures("market")
def test_brackets_are_kept_as_one_text_and_nonsense_not_at_all() -> None:
    hold_to_brackets("ETHUSDT 9: 0.10 5x\nBTCUSDT 50000:0.0100 20x 0, 200000:0.05 10x 2000")
    assert RiskPolicy.objects.get().maintenance_brackets == f"{LADDER}; ETHUSDT 9: 0.1 5x"
    with pytest.raises(PolicyError, match="maintenance_brackets: ladders such as"):
        hold_to_brackets("BTCUSDT 50000: 0.01 20x, 200000: 0.05 10x 1999")
    with pytest.raises(PolicyError, match="maintenance_brackets: there is no instrument BTCUSD"):
        hold_to_brackets("BTCUSD 50000: 0.01 20x; ETHUSDT 9: 0.1 5x")
    policy = replace(policy_in_force(), maintenance_brackets="BTCUSD 50000: 0.01 20x")
    with pytest.raises(PolicyError, match="maintenance_brackets: there is no instrument BTCUSD"):
        set_policy(policy=policy, reason="A test")
    assert RiskPolicy.objects.get().maintenance_brackets == f"{LADDER}; ETHUSDT 9: 0.1 5x"
