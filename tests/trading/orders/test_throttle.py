"""The throttle of repeated execution: so many fills in a window let an account only reduce."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import pytest
import time_machine
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import Account, Tier, User
from accounts.services import create_user, resume_account, set_account_state
from kpi.audit.models import AuditRecord
from kpi.models import StreamEvent
from market.kernel.reasons import stated
from market.kernel.states import TradingState
from risk.engine import Intent
from risk.services import change_policy
from tests.trading.conftest import Marks, Trader, order
from trading.booking.throttle import FILLED, IN_WINDOW
from trading.models import Liquidation, Order, OrderStatus, Trade
from trading.orders.group import PATIENT, Place, book
from trading.orders.opened import OPEN_TICKETS
from trading.orders.tickets import Placement, Ticket
from trading.services import close_position, place_orders
from trading.venues.reconciliation import reconcile_pending_orders

pytest_plugins = ["tests.system.binance_standin.fixtures"]

D = Decimal
START = datetime(2030, 1, 1, tzinfo=UTC)
WHY = "3 fills in 10 s"
TICKET = Ticket(Intent("BTCUSDT", is_buy=True, size=D("0.01")))
HELD = f"This account, after {WHY}, is in REDUCING: an order may only reduce what is open; ask for "
HELD += "reduce_only, or close the position."

Later = Callable[[float], None]


@pytest.fixture
def later(market: object, marks: Marks) -> Iterator[Later]:
    """Let so many seconds pass, on a clock that stands still otherwise."""
    with time_machine.travel(START, tick=False) as clock:
        marks(BTCUSDT="65000", ETHUSDT="3200")
        yield lambda seconds: clock.shift(timedelta(seconds=seconds))


@pytest.fixture
def user(later: Later, trader: Trader) -> User:
    throttle(3, 10)
    return trader("100000")


def throttle(fills: int, seconds: int = 60) -> None:
    changes = {"max_fills": fills, "fills_window_seconds": seconds}
    change_policy(changes=changes, reason="A test")


def buy(user: User, size: str = "0.01", **changes: Any) -> str:
    """Buy and return the code of the denial, if any."""
    return order(user, "buy", size, **changes).reject_code


def told(user: User) -> tuple[TradingState, str]:
    account = Account.objects.get(user=user)
    return account.state, account.throttled


def test_the_fill_that_reaches_the_limit_lets_the_account_only_reduce(user: User) -> None:
    assert [buy(user), buy(user), told(user)] == ["", "", (TradingState.ACTIVE, "")]
    assert [buy(user), told(user)] == ["", (TradingState.REDUCING, WHY)]
    refused = order(user, "buy", "0.01")
    assert (refused.reject_code, refused.reject_detail) == ("reducing_only", HELD)
    assert order(user, "sell", "0.01").status == OrderStatus.FILLED
    assert close_position(user_id=user.pk, symbol="BTCUSDT").denial is None
    record = AuditRecord.objects.get(kind="account_change")
    assert (record.details["reason"], record.actor, record.account_id) == (
        f"Throttle of repeated execution: {WHY}",
        None,
        user.account.pk,
    )
    event = StreamEvent.objects.get(channel="halts", account_id=user.account.pk)
    assert event.detail["state"] == "REDUCING"


def test_what_else_its_transaction_changes_keeps_its_own_reason(user: User, clerk: User) -> None:
    other = create_user(username="other", tier=Tier.BEGINNER, opening_balance=D(1))
    with stated("A test of reasons", by=clerk):
        assert [buy(user), buy(user), buy(user), told(user)[1]] == ["", "", "", WHY]
        Account.objects.filter(pk=other.account.pk).update(suspended=True)
    first, last = AuditRecord.objects.filter(kind="account_change").order_by("id")
    assert (first.actor, first.account_id) == (None, user.account.pk)
    assert (last.details["reason"], last.actor) == ("A test of reasons", clerk)


def test_a_fill_leaves_the_window_when_it_is_as_old_as_that(user: User, later: Later) -> None:
    buy(user)
    later(5)
    buy(user)
    later(5)
    buy(user)
    assert told(user) == (TradingState.ACTIVE, "")
    later(4.999999)
    buy(user)
    assert told(user) == (TradingState.REDUCING, WHY)


def test_another_account_is_not_held_back(user: User, trader: Trader) -> None:
    other = trader("100000")
    for _ in range(2):
        buy(user)
        buy(other)
    buy(user)
    assert [told(user)[0], told(other)[0]] == [TradingState.REDUCING, TradingState.ACTIVE]
    assert buy(other) == ""


def test_once_staff_release_it_the_count_begins_anew(user: User) -> None:
    """Neither what it counted by then nor what closed meanwhile counts any more."""
    for _ in range(3):
        buy(user)
    for _ in range(3):
        order(user, "sell", "0.005")
    resume_account(account=user.account, reason="A test")
    assert told(user) == (TradingState.ACTIVE, "")
    assert [buy(user), buy(user), told(user)[0]] == ["", "", TradingState.ACTIVE]
    assert [buy(user), told(user)] == ["", (TradingState.REDUCING, WHY)]
    set_account_state(account=user.account, state=TradingState.REDUCING, reason="By hand")
    assert told(user) == (TradingState.REDUCING, "")
    assert order(user, "buy", "0.01").reject_detail.startswith("This account is in REDUCING")


def test_of_a_batch_each_order_counts_and_sees_those_before_it(user: User) -> None:
    outcomes = place_orders(user_id=user.pk, tickets=[TICKET] * 5)
    codes = [one.denial and one.denial.code for one in outcomes if isinstance(one, Placement)]
    assert codes == [None, None, None, "reducing_only", "reducing_only"]
    assert told(user) == (TradingState.REDUCING, WHY)


def test_of_a_batch_those_count_that_are_not_too_old_by_then(user: User, later: Later) -> None:
    """Whether what came earlier is in the window is asked of each fill by itself."""
    buy(user)
    later(9)
    buy(user)
    later(1)
    outcomes = place_orders(user_id=user.pk, tickets=[TICKET, TICKET, TICKET])
    codes = [one.denial and one.denial.code for one in outcomes if isinstance(one, Placement)]
    assert codes == [None, None, "reducing_only"]
    assert told(user) == (TradingState.REDUCING, WHY)


def test_of_a_group_each_account_counts_its_own(user: User, trader: Trader) -> None:
    other = trader("100000")
    buy(user)
    book([Place(one.pk, [TICKET]) for one in (user, other, user)], patience=PATIENT)
    assert [told(user), told(other)] == [(TradingState.REDUCING, WHY), (TradingState.ACTIVE, "")]


def test_an_order_asks_no_more_where_its_fill_counts(user: User) -> None:
    asked = []
    for most in (0, 9):
        throttle(most)
        with CaptureQueriesContext(connection) as queries:
            buy(user)
        asked.append(len(queries))
    assert asked[0] == asked[1]
    assert Trade.objects.exclude(fill_number=None).count() == 1


def test_resting_orders_count_when_they_fill_and_are_held_back_then(
    user: User, marks: Marks
) -> None:
    buy(user)
    resting = [order(user, "buy", "0.01", price="64000") for _ in range(4)]
    marks(BTCUSDT="63000")
    found = [Order.objects.get(pk=one.pk) for one in resting]
    assert [(one.status, one.reject_detail) for one in found] == [
        (OrderStatus.FILLED, ""),
        (OrderStatus.FILLED, ""),
        (OrderStatus.EXPIRED, HELD),
        (OrderStatus.EXPIRED, HELD),
    ]
    assert told(user) == (TradingState.REDUCING, WHY)


def test_fills_at_the_venue_count_whatever_the_state_says_by_now(
    venue: Any, user: User, later: Later
) -> None:
    """They are facts; the one that reaches the limit holds back what is asked for next."""
    venue.set_book(
        "BTCUSDT",
        bids=[],
        asks=[(D("65000"), D("0.01")), (D("65001"), D("0.01")), (D("65002"), D("0.03"))],
    )
    placed = order(user, "buy", "0.05")
    assert (placed.status, Trade.objects.count()) == (OrderStatus.FILLED, 3)
    assert told(user) == (TradingState.REDUCING, WHY)
    assert buy(user) == "reducing_only"
    assert reconcile_pending_orders() == 0


def test_what_the_exchange_closes_out_does_not_count(
    later: Later, trader: Trader, marks: Marks
) -> None:
    throttle(3)
    user = trader("1400")
    assert [buy(user, "0.1"), buy(user, "1", symbol="ETHUSDT")] == ["", ""]
    marks(BTCUSDT="57000", ETHUSDT="3000")
    assert (Liquidation.objects.count(), Trade.objects.count()) == (1, 4)
    assert told(user) == (TradingState.ACTIVE, "")


def test_off_it_counts_nothing_and_asks_nothing(later: Later, trader: Trader, marks: Marks) -> None:
    """What came before it is on does not count."""
    user = trader("100000")
    order(user, "buy", "0.01", price="64000")
    for _ in range(5):
        assert buy(user) == ""
    with CaptureQueriesContext(
        connection,
    ) as asked:
        marks(BTCUSDT="63000")
    assert not [one for one in asked if "max(own.fill_number)" in one["sql"]]
    assert not Trade.objects.exclude(fill_number=None).exists()
    throttle(2)
    assert [buy(user), told(user)[0]] == ["", TradingState.ACTIVE]
    assert [buy(user), told(user)[0]] == ["", TradingState.REDUCING]


#: The latest fill, and the one that the next may come too soon after.
NUMBERED: Final = {"fill_number_once_per_account": 2}
#: As many as an account fills in a long while.
COUNTED: Final = """
INSERT INTO trading_trade (order_id, account_id, instrument_id, side, size, price, notional,
    leverage, fee, realized_pnl, fill_number, created_at)
SELECT order_id, account_id, instrument_id, side, size, price, notional, leverage, fee,
    realized_pnl, 10 + past, created_at + past * interval '1 second'
FROM (SELECT * FROM trading_trade ORDER BY id LIMIT 1) AS one
CROSS JOIN generate_series(1, 5000) AS past
"""


@pytest.mark.parametrize(
    ("statement", "asked", "read"),
    [
        pytest.param(
            OPEN_TICKETS,
            {"tickets": '[{"user_id": USER, "number": 0, "nth": 1}]', "minute_ago": f"{START}"},
            NUMBERED,
            id="of an order",
        ),
        pytest.param(FILLED, {"accounts": "{ACCOUNT}", "fills": "{1}"}, NUMBERED, id="of a step"),
        pytest.param(
            IN_WINDOW,
            {"account": "ACCOUNT", "now": f"{START + timedelta(hours=1)}"},
            {"fill_number_once_per_account": 1, "counted_by_account": 1},
            id="of the limits",
        ),
    ],
)
def test_it_reads_no_history(
    user: User, statement: str, asked: dict[str, str], read: dict[str, int]
) -> None:
    """Under the plan that PostgreSQL keeps for all accounts."""
    buy(user)
    ids = [one.replace("USER", f"{user.pk}") for one in asked.values()]
    given = ", ".join(f"'{one.replace('ACCOUNT', f'{user.account.pk}')}'" for one in ids)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(COUNTED)
        cursor.execute("ANALYZE trading_trade")
        cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        numbered = {name: f"${number}" for number, name in enumerate(asked, 1)}
        cursor.execute(f"PREPARE counting AS {statement % numbered}")
        cursor.execute(
            f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) EXECUTE counting ({given})"
        )
        plan = "\n".join(line for (line,) in cursor.fetchall())
        cursor.execute("DEALLOCATE counting")
        transaction.set_rollback(True)  # no ledger bears out such trades
    for index, times in read.items():
        assert len(re.findall(rf"using trade_{index}\b.*rows=1(?:\.00)? ", plan)) == times, plan


def test_a_suspended_account_is_not_counted(user: User, marks: Marks) -> None:
    """What rests still reduces there; nobody holds it back twice."""
    buy(user, "0.04")
    for _ in range(3):
        order(user, "sell", "0.01", price="66000", reduce_only=True)
    set_account_state(account=user.account, state=TradingState.HALTED, reason="A test")
    marks(BTCUSDT="67000")
    assert (Trade.objects.count(), told(user)) == (4, (TradingState.HALTED, ""))


def test_what_only_reduces_is_not_counted(user: User) -> None:
    buy(user)
    set_account_state(account=user.account, state=TradingState.REDUCING, reason="By hand")
    for _ in range(3):
        order(user, "sell", "0.001")
    assert Trade.objects.exclude(fill_number=None).count() == 1
    assert told(user) == (TradingState.REDUCING, "")
