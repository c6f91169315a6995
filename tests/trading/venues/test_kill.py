"""A kill holds a scope back, cancels what is open in it, and is one act of the audit trail."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from accounts.locks import lock_account
from accounts.models import User
from accounts.services import resume_account, set_account_state, suspend_account
from kpi.audit.models import AuditRecord
from market.kernel.errors import ReasonRequired
from market.kernel.pruning import Deadline
from market.kernel.states import TradingState
from market.models import HaltOutcome, Instrument, PriceHalt
from market.services import halt_instrument, release_instrument, set_instrument_state
from risk.selectors import get_policy
from risk.services import set_trading_state
from tests.console import quoted
from tests.trading.conftest import Trader, order, state_of
from trading.models import OPEN_STATUSES, Kill, Order, OrderStatus
from trading.selectors import unfinished_kills
from trading.venues import kill as kills
from trading.venues.kill import Scope, kill

ACTIVE, REDUCING, HALTED = TradingState


def still_open() -> set[int]:
    return set(Order.objects.filter(status__in=OPEN_STATUSES).values_list("pk", flat=True))


def resting(user: User, symbol: str = "BTCUSDT") -> Order:
    price = "60000" if symbol == "BTCUSDT" else "3000"
    return order(user, "buy", "0.01", symbol, price=price)


def test_it_cancels_what_is_open_in_its_scope_alone(trader: Trader) -> None:
    user, other = trader(), trader()
    own = [resting(user), resting(user, "ETHUSDT"), resting(user)]
    bitcoin, ether = resting(other), resting(other, "ETHUSDT")
    act = kill(scope=Scope(account=user.account), state=REDUCING, reason="A test")
    assert (act.canceled, act.finished_at is None) == (len(own), False)
    assert still_open() == {bitcoin.pk, ether.pk}
    assert state_of(user).reserved_margin == 0
    user.account.refresh_from_db()
    assert user.account.state == REDUCING
    listed = Instrument.objects.get(symbol="BTCUSDT")
    assert kill(scope=Scope(instrument=listed), state=HALTED, reason="A test").canceled == 1
    assert still_open() == {ether.pk}
    assert order(other, "buy", "0.01").reject_code == "instrument_halted"
    assert kill(scope=Scope(), state=HALTED, reason="A test").canceled == 1
    assert (still_open(), get_policy().trading_state) == (set(), HALTED)


def test_it_never_loosens_a_state(trader: Trader) -> None:
    user, listed = trader(), Instrument.objects.get(symbol="BTCUSDT")
    suspend_account(account=user.account, reason="A test")
    halt_instrument(instrument=listed, reason="A test")
    kill(scope=Scope(account=user.account), state=REDUCING, reason="A test")
    kill(scope=Scope(instrument=listed), state=REDUCING, reason="A test")
    user.account.refresh_from_db()
    listed.refresh_from_db()
    assert (user.account.state, listed.state) == (HALTED, HALTED)
    resume_account(account=user.account, reason="A test")
    user.account.refresh_from_db()
    assert user.account.state == ACTIVE


def test_it_is_one_record_that_says_how_many_and_why(trader: Trader, clerk: User) -> None:
    user = trader()
    for _ in range(3):
        resting(user)
    act = kill(scope=Scope(account=user.account), state=HALTED, reason="Runs wild", by=clerk)
    record = AuditRecord.objects.get(kind="kill")
    assert (record.reference, record.actor_id) == (f"trading.kill:{act.pk}", clerk.pk)
    assert (record.user_id, record.account_id) == (user.pk, user.account.pk)
    told = {name: record.details[name] for name in ("scope", "state", "reason", "canceled")}
    assert told == {"scope": "account", "state": "HALTED", "reason": "Runs wild", "canceled": "3"}
    with pytest.raises(ReasonRequired):
        kill(scope=Scope(), state=HALTED, reason=" ")
    assert Kill.objects.count() == 1


def test_one_that_was_interrupted_is_gone_on_with(
    trader: Trader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state stands at once; the act keeps its count, and is recorded when nothing is left."""
    monkeypatch.setattr(kills, "PORTION", 2)
    user, scope = trader(), Scope()
    for _ in range(5):
        resting(user)

    def interrupt(act: Kill) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kill(scope=scope, state=HALTED, reason="A test", told=interrupt)
    assert (len(still_open()), get_policy().trading_state) == (3, HALTED)
    assert kill(scope=scope, state=HALTED, reason="A test", deadline=Deadline(0)).canceled == 2
    assert not AuditRecord.objects.filter(kind="kill").exists()
    act = kill(scope=scope, state=HALTED, reason="A test")
    assert (act.canceled, act.finished_at is None, still_open()) == (5, False, set())
    assert kill(scope=scope, state=HALTED, reason="A test").canceled == 0
    assert AuditRecord.objects.filter(kind="kill").count() == Kill.objects.count() == 2


def test_one_after_a_resume_is_an_act_of_its_own(trader: Trader, clerk: User) -> None:
    """It ends the unfinished one, with what that had cancelled; so does one that is stricter."""
    user = trader()
    resting(user)
    scope = Scope(account=user.account)
    first = kill(scope=scope, state=HALTED, reason="First", deadline=Deadline(0))
    resume_account(account=user.account, reason="A test")
    reducing = kill(scope=scope, state=REDUCING, reason="Second", deadline=Deadline(0))
    last = kill(scope=scope, state=HALTED, reason="Third", by=clerk)
    assert kept() == {
        first.pk: ("First", "0"),
        reducing.pk: ("Second", "0"),
        last.pk: ("Third", "1"),
    }
    assert (last.started_by, last.started_at > reducing.started_at) == (clerk, True)


def test_it_ends_with_its_count_where_its_state_is_loosened(
    trader: Trader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it had cancelled is recorded, and nobody goes on with it; what it left stays open."""
    monkeypatch.setattr(kills, "PORTION", 1)
    user, listed = trader(), Instrument.objects.get(symbol="BTCUSDT")
    ways: list[tuple[Scope, Callable[[TradingState], None]]] = [
        (
            Scope(account=user.account),
            lambda state: set_account_state(account=user.account, state=state, reason="A test"),
        ),
        (
            Scope(instrument=listed),
            lambda state: set_instrument_state(instrument=listed, state=state, reason="A test"),
        ),
        (Scope(), lambda state: set_trading_state(state=state, reason="A test")),
    ]
    for scope, set_state in ways:
        for _ in range(3):
            resting(user)
        halting = partly(scope, HALTED)
        assert unfinished_kills(most=10) == [halting]
        set_state(HALTED)
        assert unfinished_kills(most=10) == [halting], "its state stands"
        set_state(REDUCING)
        assert (unfinished_kills(most=10), kept()[halting.pk]) == ([], ("A test", "1"))
        reducing = partly(scope, REDUCING)
        set_state(HALTED)
        set_state(REDUCING)
        assert unfinished_kills(most=10) == [reducing], "its state stood all the while"
        set_state(ACTIVE)
        assert (unfinished_kills(most=10), kept()[reducing.pk]) == ([], ("A test", "1"))
        assert kill(scope=scope, state=HALTED, reason="A test").canceled == 1
        set_state(ACTIVE)


def partly(scope: Scope, state: TradingState) -> Kill:
    """Begin a kill that is interrupted once it has cancelled an order."""

    def interrupt(act: Kill) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kill(scope=scope, state=state, reason="A test", told=interrupt)
    return Kill.objects.latest("pk")


def test_it_cancels_no_more_once_its_state_is_loosened(
    trader: Trader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kills, "PORTION", 1)
    user = trader()
    for _ in range(5):
        resting(user)

    def resume(act: Kill) -> None:
        set_trading_state(state=ACTIVE, reason="A test")

    act = kill(scope=Scope(), state=HALTED, reason="A test", told=resume)
    assert (act.canceled, act.finished_at is None, len(still_open())) == (1, False, 4)


def test_a_quote_that_is_released_ends_the_kill_of_no_instrument_that_staff_hold(
    trader: Trader,
) -> None:
    """While a quote halts an instrument, what staff set is what counts."""
    resting(trader())
    listed = Instrument.objects.get(symbol="BTCUSDT")
    quoted("BTCUSDT", "1")
    act = kill(scope=Scope(instrument=listed), state=HALTED, reason="A test", deadline=Deadline(0))
    release_instrument(halt=PriceHalt.objects.get(), outcome=HaltOutcome.KEPT, reason="A test")
    assert unfinished_kills(most=10) == [act]
    quoted("BTCUSDT", "1")
    set_instrument_state(instrument=listed, state=REDUCING, reason="A test")
    assert unfinished_kills(most=10) == []


def test_a_halt_by_staff_ends_no_kill_of_an_instrument_that_a_quote_halted(trader: Trader) -> None:
    """Nothing is loosened: what a quote halts and a kill reduces is then halted by staff too."""
    resting(trader())
    listed = Instrument.objects.get(symbol="BTCUSDT")
    scope = Scope(instrument=listed)
    act = kill(scope=scope, state=REDUCING, reason="A test", deadline=Deadline(0))
    quoted("BTCUSDT", "1")
    halt_instrument(instrument=listed, reason="A test")
    assert unfinished_kills(most=10) == [act]
    assert kill(scope=scope, state=REDUCING, reason="A test").pk == act.pk
    assert still_open() == set()


def test_what_is_unfinished_is_told_by_one_statement(
    trader: Trader, django_assert_num_queries: Any
) -> None:
    for user in (trader(), trader(), trader()):
        resting(user)
        kill(scope=Scope(account=user.account), state=HALTED, reason="A test", deadline=Deadline(0))
    with django_assert_num_queries(1):
        assert len([act.scope for act in unfinished_kills(most=10)]) == 3
    assert len(unfinished_kills(most=2)) == 2


def kept() -> dict[int, tuple[str, str]]:
    """Return the reason and the count of each kill that the audit trail has, by its id."""
    return {
        int(one.reference.split(":")[1]): (one.details["reason"], one.details["canceled"])
        for one in AuditRecord.objects.filter(kind="kill")
    }


def test_it_leaves_what_reduces_and_came_after_the_state(trader: Trader) -> None:
    """What was resting before ends, even where it could only reduce."""
    user, came = trader(), list[Order]()
    order(user, "buy", "0.1")
    order(user, "sell", "0.01", price="70000", reduce_only=True)

    def close(act: Kill) -> None:
        came.append(order(user, "sell", "0.01", price="80000", reduce_only=True))

    act = kill(scope=Scope(), state=REDUCING, reason="A test", told=close)
    assert (act.canceled, act.finished_at is None) == (1, False)
    assert still_open() == {one.pk for one in came}


def test_the_command_shows_how_far_it_is(trader: Trader) -> None:
    user, out = trader(), StringIO()
    resting(user)
    call_command("kill", "--user", user.username, "--reason", "A test", stdout=out)
    assert out.getvalue().splitlines() == [
        "1 order cancelled so far",
        f"Kill of {user.username}: HALTED, 1 order cancelled.",
    ]
    wrong = [["--user", "nobody"], ["--symbol", "NOSUCH"], ["--everybody", "--symbol", "X"]]
    for asked in (*wrong, ["--user", ""], ["--symbol", ""]):
        with pytest.raises(CommandError):
            call_command("kill", *asked, "--reason", "A test")
    assert get_policy().trading_state == ACTIVE, "an empty name held everybody back"
    call_command("kill", "--everybody", "--state", "reducing", "--reason", "A test", stdout=out)
    assert get_policy().trading_state == REDUCING


@pytest.mark.django_db(transaction=True)
def test_nothing_is_open_after_it_while_clients_go_on_placing(trader: Trader) -> None:
    """What was decided before the state was set is booked behind it, and cancelled all the same."""
    users, stop, refused = (
        [trader("100000") for _ in range(4)],
        threading.Event(),
        threading.Event(),
    )

    def place(user: User) -> None:
        try:
            while not stop.is_set():
                if resting(user).status == OrderStatus.REJECTED:
                    refused.set()
        finally:
            connection.close()

    clients = [threading.Thread(target=place, args=(user,)) for user in users]
    for client in clients:
        client.start()
    try:
        while len(still_open()) < 12:
            assert any(client.is_alive() for client in clients)
        act = kill(scope=Scope(), state=HALTED, reason="A test")
        assert (still_open(), act.finished_at is None) == (set(), False)
        assert refused.wait(60)
    finally:
        stop.set()
        for client in clients:
            client.join()
    assert still_open() == set()
    assert act.canceled == Order.objects.filter(status=OrderStatus.CANCELED).count() >= 12


@pytest.mark.django_db(transaction=True)
def test_it_waits_for_an_order_that_was_decided_before(trader: Trader) -> None:
    """Without the wait it would end at once, and the order that is booked late stay open."""
    user, acts = trader(), list[Kill]()
    killing = threading.Thread(target=lambda: acts.append(halt_all()))
    with transaction.atomic():
        late = resting(user)
        killing.start()
        killing.join(1)
        assert killing.is_alive()
    killing.join(60)
    assert Order.objects.get(pk=late.pk).status == OrderStatus.CANCELED
    assert [(act.canceled, act.finished_at is None) for act in acts] == [(1, False)]


@pytest.mark.django_db(transaction=True)
def test_what_another_session_keeps_locked_is_left_to_the_next_time(
    trader: Trader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an account whose row is locked, or one of whose orders is; all others end at once."""
    monkeypatch.setattr(kills, "LONGEST_WAIT", 0)
    monkeypatch.setattr("trading.booking.isolation.PATIENCE", 0.2)
    users = [trader() for _ in range(3)]
    own = [resting(user) for user in users]
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            lock_account(user_id=users[0].pk)
            Order.objects.select_for_update(no_key=True).get(pk=own[1].pk)
            act = pool.submit(halt_all).result(60)
            assert (act.canceled, act.finished_at) == (1, None)
            assert still_open() == {own[0].pk, own[1].pk}
        act = pool.submit(halt_all).result(60)
    assert (act.canceled, act.finished_at is None, still_open()) == (3, False, set())


def halt_all() -> Kill:
    """Halt everybody, on a connection of its own."""
    try:
        return kill(scope=Scope(), state=HALTED, reason="A test")
    finally:
        connection.close()
