"""Which level an account is below: of the margin ratio, by brackets of equity ÷ maintenance."""

from decimal import Decimal

from kpi.stream.margins import LEVELS, LEVELS_BY_BRACKETS, standing, standings_of
from risk.policy import SEED
from risk.services import change_policy
from tests.each import each
from tests.trading.conftest import Marks, Trader, order
from tests.trading.conftest import market as market
from tests.trading.conftest import marks as marks
from tests.trading.conftest import trader as trader


@each(
    ("equity", "level"),
    [
        ("100", None),
        ("99.99999999", "1.0"),
        ("75", "1.0"),
        ("74.99999999", "0.75"),
        ("60", "0.75"),
        ("59.99999999", "0.6"),
        ("-1", "0.6"),
    ],
)
def test_the_lowest_level_that_the_ratio_is_below_is_told(equity: str, level: str | None) -> None:
    found = standing(7, Decimal(equity), Decimal(100))
    assert (found.data["user_id"], found.data["level"]) == (7, level)


def test_an_account_without_positions_is_below_none() -> None:
    assert standing(7, None, None).data["margin_ratio"] is None
    assert standing(7, None, None).level is None


@each(
    ("equity", "level"),
    [
        ("80", None),
        ("79.99999999", "2.0"),
        ("60", "2.0"),
        ("59.99999999", "1.5"),
        ("48", "1.5"),
        ("47.99999999", "1.2"),
        ("-1", "1.2"),
    ],
)
def test_by_brackets_the_level_is_one_of_equity_by_maintenance(
    equity: str, level: str | None
) -> None:
    """A maintenance of 40, whatever margin the positions tie up."""
    assert standing(7, Decimal(equity), Decimal(10), Decimal(40)).data["level"] == level


def test_the_levels_lie_as_far_above_a_close_out_by_either() -> None:
    threshold = SEED.liquidation_threshold
    assert tuple(one / threshold for one in LEVELS) == LEVELS_BY_BRACKETS


def test_the_policy_says_what_accounts_are_told_by(trader: Trader, marks: Marks) -> None:
    """1 at 65,000, held with 10,000: a margin of 6,500, a maintenance of 0.05 × 65,000."""
    user = trader()
    order(user, "buy", "1", leverage=10)
    margin = {
        "event_id": None,
        "kind": "margin",
        "user_id": user.pk,
        "margin_ratio": "1.53846154",
        "level": None,
    }
    [told] = standings_of([user.account.pk]).values()
    assert told.data == margin
    changes = {"margin_mode": "brackets", "maintenance_brackets": "BTCUSDT 90000: 0.05 20x"}
    change_policy(reason="A test", changes=changes)
    [told] = standings_of([user.account.pk]).values()
    assert told.data == margin | {"equity_to_maintenance": "3.07692308"}
    marks(BTCUSDT="59000")
    [told] = standings_of([user.account.pk]).values()
    assert (told.data["equity_to_maintenance"], told.data["level"]) == ("1.35593220", "1.5")
