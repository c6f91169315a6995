"""Effective leverage: notional of an account's positions ÷ its equity, at present marks."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine

from accounts.models import Tier, User
from accounts.services import create_user
from kpi import selectors
from kpi.history.snapshots import take_snapshot
from kpi.selectors import EffectiveLeverage, effective_leverage
from market.models import Instrument
from risk.engine import Intent
from risk.statement import account_statement
from tests.conftest import ClientOf
from trading.services import place_order

D = Decimal
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
#: Bought or sold at 65,000 with an equity of 100,000 each, by tier.
SIZES = {
    Tier.BEGINNER: ["0.5", "-1", "2"],
    Tier.ADVANCED: ["-4", "8", "16", "20"],
}


@pytest.fixture
def traders(demo: None) -> None:
    for tier, sizes in SIZES.items():
        for size in sizes:
            user = create_user(username=f"{tier} {size}", tier=tier)
            intent = Intent("BTCUSDT", D(size) > 0, abs(D(size)))
            assert place_order(user_id=user.pk, intent=intent).order.status == "FILLED"


def move(price: str) -> None:
    """Set the mark without a market step, which would close accounts out."""
    Instrument.objects.filter(symbol="BTCUSDT").update(mark_price=D(price))


def leverages(tier: str) -> list[Decimal]:
    """Return the leverage of each account of a tier by its statement, the lowest first."""
    statements = [
        account_statement(user_id=user.pk)
        for user in User.objects.filter(username__startswith=f"{tier} ")
    ]
    return sorted(
        sum((position.notional for position in one.positions), D()) / one.equity
        for one in statements
        if one.positions and one.equity > 0
    )


def test_percentiles_are_leverages_of_accounts(traders: None) -> None:
    move("64000")
    beginners, advanced = leverages("beginner"), leverages("advanced")
    every = sorted(beginners + advanced)
    found = effective_leverage(positions=7)
    assert [found.p50, found.p95] == [float(every[3]), float(every[6])]
    assert found.p50_by_tier == {"beginner": float(beginners[1]), "advanced": float(advanced[1])}
    assert found.p95_by_tier == {"beginner": float(beginners[2]), "advanced": float(advanced[3])}


def test_at_the_price_of_entry_it_is_what_was_traded(traders: None) -> None:
    # 8 × 65,000 and 20 × 65,000 of 100,000 USDT.
    assert effective_leverage(positions=7).p50_by_tier["advanced"] == pytest.approx(5.2)
    assert effective_leverage(positions=7).p95 == pytest.approx(13)


def test_an_account_without_equity_has_none(traders: None) -> None:
    move("60000")  # 20 were bought with 100,000: nothing is left.
    assert account_statement(user_id=User.objects.get(username="advanced 20").pk).equity == 0
    assert len(leverages("advanced")) == 3
    assert effective_leverage(positions=7).p95 == float(leverages("advanced")[-1])


def test_an_account_that_owes_is_left_out(traders: None) -> None:
    move("59000")
    assert account_statement(user_id=User.objects.get(username="advanced 20").pk).equity < 0
    median = effective_leverage(positions=7).p50_by_tier["advanced"]
    assert median == float(leverages("advanced")[1])


def test_one_account_of_twenty_lies_above_the_95th_percentile(demo: None) -> None:
    for tenths in range(1, 21):
        user = create_user(username=f"trader {tenths}", tier=Tier.INTERMEDIATE)
        place_order(user_id=user.pk, intent=Intent("BTCUSDT", True, D(tenths) / 10))
    found = effective_leverage(positions=20)
    assert (found.p50, found.p95) == (pytest.approx(0.65), pytest.approx(1.235))


def test_without_positions_and_with_too_many_it_is_unknown(
    demo: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert effective_leverage(positions=0) == EffectiveLeverage()
    monkeypatch.setattr(selectors, "MOST_POSITIONS", 6)
    assert effective_leverage(positions=7) == EffectiveLeverage()


def test_the_history_tells_it_over_all_and_by_tier(traders: None, client_of: ClientOf) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        take_snapshot()
        clock.shift(timedelta(seconds=1))
        api = client_of(User.objects.get(username="beginner"))
        whole = api.get("/kpi/history?metric=effective_leverage_p95&window=5m").json()
        tiers = api.get("/kpi/history?metric=effective_leverage_p50_by_tier&window=5m").json()
    at = "2026-11-23T12:00:00Z"
    assert (whole["unit"], whole["points"]) == ("x", [{"timestamp": at, "value": 13.0}])
    assert tiers["series"] == [
        {"tier": "beginner", "points": [{"timestamp": at, "value": 0.65}]},
        {"tier": "intermediate", "points": [{"timestamp": at, "value": None}]},
        {"tier": "advanced", "points": [{"timestamp": at, "value": 5.2}]},
    ]
