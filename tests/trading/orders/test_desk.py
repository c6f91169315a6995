"""The order desk: what waits is booked as a group, and nobody notices but by the speed."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from rest_framework.test import APIClient

from accounts.locks import lock_account
from accounts.models import User
from accounts.services import suspend_account
from market.kernel.errors import DatabaseBusy
from market.kernel.states import TradingState
from market.models import Instrument
from market.services import halt_instrument, list_instrument
from risk.denials import DENIALS
from risk.engine import Intent
from risk.models import GlobalExposure, LeverageLimit, RiskPolicy
from risk.services import lock_exposure, set_trading_state
from tests.trading.conftest import Trader, order
from tests.waiting import wait_for, waiting
from trading.errors import ClientOrderIdConflict, OrderNotOpen
from trading.models import Order, OrderStatus
from trading.orders.desk import OrderDesk, Slip, _Process, close_desk, open_desk, serve
from trading.orders.group import (
    Cancel,
    FateUnknown,
    Instruction,
    Patience,
    Place,
    was_rolled_back,
)
from trading.orders.tickets import Placement, Ticket

D = Decimal
BUY = Intent("BTCUSDT", is_buy=True, size=D("0.1"))

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def desk() -> Iterator[None]:
    """Let this process have an order desk."""
    open_desk()
    yield
    close_desk()


def group(*instructions: Instruction) -> list[Any]:
    """Book instructions as one group of the desk and return what each is answered, or its error."""
    slips = [Slip(instruction) for instruction in instructions]
    for slip in slips:
        assert slip.set_running_or_notify_cancel()
    serve(slips)
    return [slip.exception(0) or slip.result(0) for slip in slips]


def buy(user: User, name: str | None = None, **asked: Any) -> Place:
    return Place(user.pk, [Ticket(replace(BUY, **asked), name)])


def placed(answer: Sequence[Placement]) -> Order:
    [placement] = answer
    return placement.order


def transactions() -> int:
    """Return how many transactions wrote something to the orders that there are."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(DISTINCT xmin::text) FROM trading_order")
        return int(cursor.fetchone()[0])


def test_a_group_is_one_transaction_in_the_order_of_arrival(trader: Trader) -> None:
    """Several accounts, one of them twice: ids and global exposure follow the order of booking."""
    a, b = trader(), trader()
    sell = Place(a.pk, [Ticket(replace(BUY, is_buy=False, size=D("0.05")))])
    orders = [placed(answer) for answer in group(buy(a), buy(b), sell, buy(b))]
    assert [o.status for o in orders] == [OrderStatus.FILLED] * 4
    assert [o.global_exposure_after for o in orders] == [6500, 13000, 9750, 16250]
    assert [o.user_exposure_after for o in orders] == [6500, 6500, 3250, 13000]
    assert [o.pk for o in orders] == sorted(o.pk for o in orders)
    stored = Order.objects.order_by("id").values_list("id", "global_exposure_after")
    assert list(stored) == [(o.pk, o.global_exposure_after) for o in orders]
    assert transactions() == 1
    assert GlobalExposure.objects.get().total == 16250


def test_known_names_are_answered_again_within_their_group(trader: Trader) -> None:
    """Names of before the group, and names that come twice in it."""
    a, b = trader(), trader()
    first = order(a, "buy", "0.1", client_order_id="known")
    answers = group(
        buy(a, "known"), buy(a, "new"), buy(b, "new"), buy(a, "new"), buy(a, "new", size=D("0.2"))
    )
    known, new, others, again = (answer[0] for answer in answers[:4])
    assert (known.replayed, known.order.pk) == (True, first.pk)
    assert not new.replayed
    assert not others.replayed
    assert (again.replayed, again.order.pk) == (True, new.order.pk)
    assert isinstance(answers[4][0], ClientOrderIdConflict)
    assert Order.objects.count() == 3
    assert transactions() == 2


def test_a_close_takes_what_is_open_by_its_turn(trader: Trader) -> None:
    a, b = trader(), trader()
    close = Place(a.pk, [Ticket(replace(BUY, size=D(0), reduce_only=True, closes=True))])
    *_, whole, nothing = (placed(one) for one in group(buy(a), buy(b), buy(a), close, close))
    assert (whole.status, whole.side, whole.size) == (OrderStatus.FILLED, "sell", D("0.2"))
    assert (nothing.reject_code, nothing.size) == ("reduce_only_rejected", 0)
    assert GlobalExposure.objects.get().total == 6500


def test_cancels_and_orders_of_an_account_see_each_other(trader: Trader) -> None:
    a, b = trader(), trader()
    RiskPolicy.objects.update(max_open_orders=1)
    resting = order(a, "buy", "0.1", price="60000")
    limit = buy(a, price=D(60000))
    cancel = Cancel(a.pk, [resting.pk])
    full, [cancelled], [again], free, other = group(limit, cancel, cancel, limit, buy(b))
    assert placed(full).reject_code == "too_many_open_orders"
    assert cancelled.status == OrderStatus.CANCELED
    assert isinstance(again, OrderNotOpen)
    assert placed(free).status == OrderStatus.NEW
    assert placed(other).status == OrderStatus.FILLED
    assert placed(free).global_exposure_after == 6000
    assert GlobalExposure.objects.get().total == 12500
    assert transactions() == 1


def test_a_batch_in_a_group_has_an_outcome_for_each_order(trader: Trader) -> None:
    a, b = trader(), trader()
    batch = Place(a.pk, [Ticket(BUY), Ticket(replace(BUY, size=D(5))), Ticket(BUY)])
    outcomes, single = group(batch, buy(b))
    codes = [outcome.denial and outcome.denial.code for outcome in outcomes]
    assert codes == [None, "insufficient_margin", None]
    assert placed(single).global_exposure_after == 19500


def test_the_global_threshold_holds_within_a_group(trader: Trader) -> None:
    """The first ones fill; one that would pass it is refused; a smaller one still fits."""
    RiskPolicy.objects.update(global_exposure_threshold=15000)
    users = [trader() for _ in range(4)]
    orders = [
        placed(answer)
        for answer in group(*map(buy, users[:3]), buy(users[3], size=D("0.02")), buy(users[0]))
    ]
    codes = [o.reject_code for o in orders]
    assert codes == ["", "", "global_exposure_exceeded", "", "global_exposure_exceeded"]
    assert [o.global_exposure_after for o in orders] == [6500, 13000, None, 14300, None]
    assert GlobalExposure.objects.get().total == 14300


def suspended(user: User) -> Place:
    suspend_account(reason="A test", account=user.account)
    return buy(user)


#: What may go wrong for one of several accounts: each code, with what the account hands in.
REFUSED: dict[str, Callable[[User], Instruction]] = {
    "account_suspended": suspended,
    "unknown_symbol": lambda user: buy(user, symbol="NOSUCH"),
    "instrument_halted": lambda user: buy(user, symbol="ETHUSDT"),
    "stale_price": lambda user: buy(user, symbol="NEWUSDT"),
    "invalid_size": lambda user: buy(user, size=D("0.000001")),
    "invalid_price": lambda user: buy(user, price=D("60000.001")),
    "below_min_notional": lambda user: buy(user, size=D("0.00001")),
    "price_out_of_band": lambda user: buy(user, price=D(50_000)),
    "order_value_exceeded": lambda user: buy(of_tier(user, "beginner", max_order_value=1)),
    "order_volume_exceeded": lambda user: buy(of_tier(user, "advanced", max_minute_value=1)),
    "leverage_exceeds_tier": lambda user: buy(user, leverage=11),
    "reduce_only_rejected": lambda user: buy(user, reduce_only=True),
    "too_many_open_orders": lambda user: buy(user, price=D(60000)),
    "insufficient_margin": lambda user: buy(user, size=D("2.5")),
    "user_exposure_exceeded": lambda user: buy(user, size=D(1)),
    "global_exposure_exceeded": lambda user: buy(user, size=D("0.7")),
    "duplicate_order": lambda user: sold_again(user),
}

#: What its own tests hold to, and what would refuse the whole group.
OTHERS = {
    *("trading_halted", "reducing_only", "tier_halted", "leverage_exceeds_volatility"),
    *("brackets_missing", "position_exceeds_brackets", "leverage_exceeds_bracket"),
    "below_maintenance",
}


def of_tier(user: User, tier: str, **limits: int) -> User:
    """Put a user in a tier that has limits."""
    User.objects.filter(pk=user.pk).update(tier=tier)
    LeverageLimit.objects.filter(tier=tier).update(**limits)
    return user


def sold_again(user: User) -> Instruction:
    """Sell once more, after a sale that closed what was held."""
    order(user, "buy", "0.1")
    RiskPolicy.objects.update(duplicate_seconds=60)
    order(user, "sell", "0.1")
    return buy(user, is_buy=False)


@pytest.fixture
def obstacles(market: dict[str, Instrument]) -> None:
    """A market in which each of REFUSED is refused for its own reason, and BUY is not."""
    halt_instrument(reason="A test", instrument=market["ETH"])
    list_instrument(
        reason="A test",
        symbol="NEWUSDT",
        base_asset="NEW",
        tick_size=D("0.01"),
        lot_size=D("0.001"),
    )
    RiskPolicy.objects.update(
        max_open_orders=0,
        user_exposure_limit=60_000,
        global_exposure_threshold=50_000,
        price_band="0.1",
    )


def test_one_account_is_refused_for_each_reason_and_the_others_trade(
    obstacles: None, trader: Trader
) -> None:
    before, behind = trader(), trader()
    assert {*REFUSED, *OTHERS} == set(DENIALS)
    for code, hand_in in REFUSED.items():
        user = trader()
        first, refused, last = group(buy(before), hand_in(user), buy(behind, is_buy=False))
        assert placed(refused).reject_code == code
        assert [placed(first).status, placed(last).status] == [OrderStatus.FILLED] * 2
        group(buy(before, is_buy=False), buy(behind))
    assert GlobalExposure.objects.get().total == 0


def test_a_halt_refuses_a_whole_group_and_lets_it_cancel(trader: Trader) -> None:
    a, b = trader(), trader()
    resting = order(a, "buy", "0.1", price="60000")
    set_trading_state(state=TradingState.HALTED, reason="A test")
    refused, [cancelled] = group(buy(b), Cancel(a.pk, [resting.pk]))
    assert placed(refused).reject_code == "trading_halted"
    assert cancelled.status == OrderStatus.CANCELED


@contextmanager
def beside(sql: str, undo: str) -> Iterator[None]:
    """Change the database for the length of a block."""
    with connection.cursor() as cursor:
        cursor.execute(sql)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(undo)


def test_what_breaks_for_one_account_breaks_for_it_alone(trader: Trader) -> None:
    """By the database, by a fault of ours, or for want of an account."""
    a, b, broken = trader(), trader(), trader()
    nobody = User.objects.create_user("nobody")
    absurd = Place(broken.pk, [Ticket(replace(BUY, size=0.1))])  # type: ignore[arg-type]
    refuse = (
        "CREATE FUNCTION refuse_account() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'broken'; END $$; "
        "CREATE TRIGGER refuse BEFORE INSERT ON trading_trade FOR EACH ROW "
        f"WHEN (NEW.account_id = {broken.account.pk}) EXECUTE FUNCTION refuse_account()"
    )
    with beside(refuse, "DROP TRIGGER refuse ON trading_trade; DROP FUNCTION refuse_account"):
        first, wrecked, last = group(buy(a), buy(broken), buy(b))
    assert isinstance(wrecked, DatabaseError)
    assert [placed(first).global_exposure_after, placed(last).global_exposure_after] == [
        6500,
        13000,
    ]
    first, wrecked, last = group(buy(a), absurd, buy(b))
    assert isinstance(wrecked, AttributeError)
    assert [placed(first).status, placed(last).status] == [OrderStatus.FILLED] * 2
    assert group(buy(nobody))[0] is None  # left to its own request, which finds no account
    assert Order.objects.count() == 4


# Ends its own session as the first COMMIT with an order begins.
DYING_COMMIT = """
CREATE SEQUENCE commits;
CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('commits') = 1 THEN
        PERFORM pg_terminate_backend(pg_backend_pid());
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER die AFTER INSERT ON trading_order DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION die();
"""
RECOVERED = "DROP TRIGGER die ON trading_order; DROP FUNCTION die; DROP SEQUENCE commits"


def test_a_group_whose_commit_dies_is_booked_once(trader: Trader) -> None:
    """Nothing of it was kept; then its orders are booked one by one, in their order."""
    users = [trader() for _ in range(4)]
    with beside(DYING_COMMIT, RECOVERED):
        orders = [placed(answer) for answer in group(*map(buy, users))]
    assert [o.global_exposure_after for o in orders] == [6500, 13000, 19500, 26000]
    assert list(Order.objects.order_by("id").values_list("id", flat=True)) == [o.pk for o in orders]
    assert transactions() == 4


def test_only_what_certainly_did_nothing_is_booked_anew(
    trader: Trader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks about a commit that went through hears so, and the group is not booked again.

    Nor is it where no answer came in time.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::text")
        kept = cursor.fetchone()[0]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::text")
        undone = cursor.fetchone()[0]
        transaction.set_rollback(True)
    assert not was_rolled_back(FateUnknown(kept))
    assert was_rolled_back(FateUnknown(undone))
    monkeypatch.setattr("trading.orders.group.FATE_WITHIN", 0)
    assert not was_rolled_back(FateUnknown(undone))


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    """Threads that act at once, each on a connection of its own."""
    with ThreadPoolExecutor(16) as pool:
        yield pool


def in_thread(pool: ThreadPoolExecutor, act: Callable[[], Any]) -> "Future[Any]":
    def acting() -> Any:
        try:
            return act()
        finally:
            connection.close()

    return pool.submit(acting)


ASKING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
AND query LIKE 'SELECT pg_xact_status%'
"""


def test_what_is_still_under_way_is_asked_about_again(
    trader: Trader, threads: ThreadPoolExecutor
) -> None:
    def asking() -> int:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(ASKING)
        return int(cursor.fetchone()[0])

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::text")
        asked = in_thread(threads, partial(was_rolled_back, FateUnknown(cursor.fetchone()[0])))
        wait_for(asking, what="a question about the transaction")
        assert not asked.done()
        transaction.set_rollback(True)
    assert asked.result(60)


def test_a_locked_account_keeps_nobody_else_waiting(
    desk: None, trader: Trader, threads: ThreadPoolExecutor
) -> None:
    """Its own orders wait for it; the others are answered meanwhile."""
    locked, *others = (trader() for _ in range(4))
    held, answered = threading.Event(), threading.Event()

    def hold() -> bool:
        with transaction.atomic():
            lock_account(user_id=locked.pk)
            held.set()
            return answered.wait(timeout=60)

    holding = in_thread(threads, hold)
    assert held.wait(timeout=60)
    waiting = [in_thread(threads, partial(order, locked, "buy", "0.01")) for _ in range(2)]
    done = [in_thread(threads, partial(order, user, "buy", "0.01")) for user in others * 3]
    assert [one.result(60).status for one in done] == [OrderStatus.FILLED] * 9
    assert not any(one.done() for one in waiting)
    answered.set()
    assert holding.result(60), "the others waited for the locked account"
    assert [one.result(60).status for one in waiting] == [OrderStatus.FILLED] * 2


def test_an_account_that_stays_locked_is_busy(
    desk: None,
    trader: Trader,
    client_of: Callable[[User], APIClient],
    threads: ThreadPoolExecutor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A request gives up after a while, and nothing of it is done."""
    monkeypatch.setattr("trading.orders.group.PATIENT", Patience(accounts=0.2, others=0.2))
    user = trader()
    api = client_of(user)
    held, answered = threading.Event(), threading.Event()

    def hold() -> bool:
        with transaction.atomic():
            lock_account(user_id=user.pk)
            held.set()
            return answered.wait(timeout=60)

    holding = in_thread(threads, hold)
    assert held.wait(timeout=60)
    asked = {"symbol": "BTCUSDT", "side": "buy", "size": "0.1"}
    refused = api.post("/orders", asked, format="json")
    answered.set()
    assert holding.result(60), "it waited for the lock"
    assert (refused.status_code, refused.json()["code"]) == (503, "database_busy")
    assert api.post("/orders", asked, format="json").status_code == 200
    assert Order.objects.count() == 1


def test_orders_at_once_are_each_booked_once(
    desk: None, trader: Trader, threads: ThreadPoolExecutor
) -> None:
    """The trial of many clients in system/trials is longer; this one is of one process."""
    users = [trader() for _ in range(4)]
    placing = [
        in_thread(threads, partial(order, user, "buy", "0.001", client_order_id=f"{n % 10}"))
        for n in range(20)
        for user in users
    ]
    orders = {one.result(60).pk for one in placing}
    assert len(orders) == Order.objects.count() == 40
    totals = Order.objects.order_by("id").values_list("global_exposure_after", flat=True)
    assert sorted(totals) == [65 * n for n in range(1, 41)]


def test_a_closed_desk_books_what_waits_and_then_no_more(trader: Trader) -> None:
    user = trader()
    desk = OrderDesk()
    assert isinstance(desk.carry_out(buy(user)), list)
    desk.close()
    assert isinstance(desk.carry_out(buy(user)), list)
    assert Order.objects.count() == 2


def test_what_waits_in_vain_is_withdrawn(
    desk: None,
    trader: Trader,
    threads: ThreadPoolExecutor,
    market: dict[str, Instrument],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A group that stands still holds up those behind it, which are told that nothing was done."""
    monkeypatch.setattr("trading.orders.desk.AT_FIRST", Patience(accounts=60, others=60))
    a, b = trader(), trader()
    held, over = threading.Event(), threading.Event()

    def hold() -> bool:
        with transaction.atomic():
            lock_exposure(instrument_ids=[market["BTC"].pk])
            held.set()
            return over.wait(timeout=120)

    holding = in_thread(threads, hold)
    assert held.wait(timeout=60)
    first = in_thread(threads, partial(order, a, "buy", "0.01"))
    wait_for(waiting, what="the first group", seconds=60)
    monkeypatch.setattr("trading.orders.desk.LONGEST_WAIT", 0.1)
    with pytest.raises(DatabaseBusy):
        order(b, "buy", "0.01")
    over.set()
    assert holding.result(60)
    assert first.result(60).status == OrderStatus.FILLED
    monkeypatch.setattr("trading.orders.desk.LONGEST_WAIT", 60)
    assert order(a, "buy", "0.01").status == OrderStatus.FILLED
    assert not Order.objects.filter(account=b.account).exists()


def test_a_group_waits_for_those_that_were_there_before(
    desk: None,
    trader: Trader,
    threads: ThreadPoolExecutor,
    market: dict[str, Instrument],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Three clients that each send an order once the last is answered share their groups."""
    monkeypatch.setattr("trading.orders.desk.GATHERING_SECONDS", 60)
    monkeypatch.setattr("trading.orders.desk.AT_FIRST", Patience(accounts=60, others=60))
    a, b, c = (trader() for _ in range(3))
    held, over = threading.Event(), threading.Event()

    def hold() -> bool:
        with transaction.atomic():
            lock_exposure(instrument_ids=[market["BTC"].pk])
            held.set()
            return over.wait(timeout=120)

    holding = in_thread(threads, hold)
    assert held.wait(timeout=60)
    first = in_thread(threads, partial(order, a, "buy", "0.01"))
    wait_for(waiting, what="the first group", seconds=60)
    others = [in_thread(threads, partial(order, user, "buy", "0.01")) for user in (b, c)]
    assert _Process.desk is not None
    wait_for(lambda: _Process.desk._slips.qsize() == 2, what="the others", seconds=60)
    over.set()
    assert holding.result(60)
    assert first.result(60).status == OrderStatus.FILLED
    placing = [in_thread(threads, partial(order, a, "buy", "0.01")), *others]
    assert [one.result(30).status for one in placing] == [OrderStatus.FILLED] * 3
    assert (Order.objects.count(), transactions()) == (4, 2)


def test_inside_a_transaction_an_order_is_part_of_it(desk: None, trader: Trader) -> None:
    user = trader()
    with transaction.atomic():
        assert order(user, "buy", "0.1").status == OrderStatus.FILLED
        transaction.set_rollback(True)
    assert not Order.objects.exists()


def test_a_forked_process_has_a_desk_of_its_own(desk: None, trader: Trader) -> None:
    """It inherits neither the thread nor the slips of its parent."""
    user = trader()
    order(user, "buy", "0.01")
    connection.close()
    ours = _Process.desk
    assert ours is not None
    child = os.fork()
    if child == 0:
        os._exit(0 if ours._thread is None and not ours._slips.qsize() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert order(user, "buy", "0.01").status == OrderStatus.FILLED
