"""The stop in the console asks whose orders, which state and why, and means what it was told."""

from django.test import Client

from accounts.models import User
from market.models import Instrument
from risk.models import LeverageLimit, RiskPolicy
from tests.console import Clerk, press
from trading.models import Kill, Order


def states(trader: User) -> list[str]:
    """Return the states of the exchange, an instrument, a tier and an account."""
    account, tier = trader.account, LeverageLimit.objects.get(tier="beginner")
    account.refresh_from_db()
    instrument = Instrument.objects.get(symbol="ETHUSDT")
    return [
        RiskPolicy.objects.get().trading_state,
        instrument.state,
        tier.tier_state,
        account.state,
    ]


def test_a_kill_holds_back_and_cancels(staff: Client, trader: User) -> None:
    resting = Order.objects.get(client_order_id="grid-7")
    said = press(staff, "trading_kill_start", scope="symbol", name="ETHUSDT", state="REDUCING")
    assert "Kill of ETHUSDT: REDUCING, 1 order cancelled." in said
    resting.refresh_from_db()
    assert resting.status == "CANCELED"
    assert states(trader) == ["ACTIVE", "REDUCING", "ACTIVE", "ACTIVE"]
    press(staff, "trading_kill_start", scope="username", name="beginner", state="HALTED")
    press(staff, "trading_kill_start", scope="everybody", name="", state="HALTED")
    assert states(trader) == ["HALTED", "REDUCING", "ACTIVE", "HALTED"]
    act = Kill.objects.latest("id")
    assert (act.started_by, act.reason) == (User.objects.get(username="admin"), "A test")
    assert "everybody" in staff.get("/admin/trading/kill/").content.decode()
    page = staff.get(f"/admin/trading/kill/{act.pk}/change/").content.decode()
    assert "as counted when it ended" in page


def test_a_slip_stops_nobody(staff: Client, trader: User, clerk: Clerk) -> None:
    """Nor does who may cancel orders, but not hold this scope back."""
    before = Kill.objects.count()
    wrong = [("everybody", "beginner"), ("username", ""), ("symbol", "NOSUCH"), ("username", "x")]
    wrong += [("account", "beginner"), ("", "")]
    for scope, name in wrong:
        press(staff, "trading_kill_start", scope=scope, name=name, state="HALTED")
    press(staff, "trading_kill_start", scope="everybody", name="", state="ACTIVE")
    client = clerk("view_kill", "change_order", "change_account")
    said = press(client, "trading_kill_start", scope="everybody", name="", state="HALTED")
    assert "You may not hold these orders back." in said
    assert (Kill.objects.count(), states(trader)) == (before, ["ACTIVE"] * 4)
    press(client, "trading_kill_start", scope="username", name="beginner", state="HALTED")
    assert states(trader)[3] == "HALTED"


def test_each_page_has_its_state(staff: Client, trader: User) -> None:
    instrument = Instrument.objects.get(symbol="ETHUSDT")
    pages = (
        ("risk_riskpolicy", 1),
        ("market_instrument", instrument.pk),
        ("risk_leveragelimit", "beginner"),
        ("accounts_account", trader.account.pk),
    )
    for action, state in (("reduce", "REDUCING"), ("resume", "ACTIVE")):
        for page, key in pages:
            press(staff, f"{page}_{action}", key)  # type: ignore[arg-type]
        assert states(trader) == [state] * 4
    press(staff, "risk_leveragelimit_halt", "beginner")  # type: ignore[arg-type]
    assert states(trader)[2] == "HALTED"
    assert "Tier beginner is halted" in staff.get("/admin/dashboard/data/").content.decode()
