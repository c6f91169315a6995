"""The console takes maintenance brackets as staff write them, and shows what they come to."""

from django.test import Client

from accounts.models import User
from risk.models import Position, RiskPolicy
from risk.services import change_policy
from tests.console import D, save
from tests.trading.conftest import order
from trading.models import Liquidation
from trading.steps.by_hand import set_price

LINES = "ETHUSDT 9: 0.1 5x\r\nBTCUSDT 90000: 0.05 10x"


def test_the_console_takes_them_line_by_line_and_shows_what_holds(
    trader: User, staff: Client
) -> None:
    page = "/admin/risk/riskpolicy/1/change/"
    save(staff, page, margin_mode="brackets", maintenance_brackets=LINES)
    policy = RiskPolicy.objects.get()
    assert policy.maintenance_brackets == "BTCUSDT 90000: 0.05 10x; ETHUSDT 9: 0.1 5x"
    refused = save(staff, page, maintenance_brackets="BTCUSDT 90000: 5 % 10x")
    assert "not &#x27;BTCUSDT 90000: 5 % 10x&#x27;" in refused
    order(trader, "buy", "0.1")
    position = Position.objects.get(
        account__user=trader, status="OPEN", instrument__symbol="BTCUSDT"
    )
    for shown in (f"accounts/account/{trader.account.pk}", f"risk/position/{position.pk}"):
        assert "Maintenance margin" in staff.get(f"/admin/{shown}/change/").content.decode()


def test_a_close_out_by_brackets_shows_what_was_required(trader: User, staff: Client) -> None:
    """By which it began, whatever its margin ratio was."""
    lists = (f"accounts/account/{trader.account.pk}/change", "trading/liquidation")
    assert order(trader, "buy", "0.5", leverage=3).filled_size
    rules = {"margin_mode": "brackets", "maintenance_brackets": "BTCUSDT 90000: 0.25 3x"}
    change_policy(reason="A test", changes=rules)
    [done] = set_price(symbol="BTCUSDT", price=D(35_000)).liquidations
    assert done.maintenance_before is not None
    for page in lists:
        shown = staff.get(f"/admin/{page}/").content.decode()
        assert f"{done.maintenance_before:,.2f}" in shown


def test_a_close_out_by_the_threshold_shows_what_was_required(trader: User, staff: Client) -> None:
    done = Liquidation.objects.get()
    shown = staff.get("/admin/trading/liquidation/").content.decode()
    assert done.maintenance_before is None
    required = f"{done.threshold * done.margin_before:,.2f}"
    account = staff.get(f"/admin/accounts/account/{done.account_id}/change/").content.decode()
    assert required in shown
    assert required in account
    assert "Close every position" in shown
    record = staff.get(f"/admin/trading/liquidation/{done.pk}/change/").content.decode()
    assert "Close every position" in record
