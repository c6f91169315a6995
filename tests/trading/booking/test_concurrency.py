"""Many clients at once: no limit is overshot, nothing is done twice, nothing deadlocks."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from decimal import Decimal
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from accounts.locks import lock_account, lock_accounts, lock_insurance_fund
from accounts.models import User
from accounts.selectors import insurance_fund_balance
from accounts.services import deposit, fund_insurance, withdraw
from market.models import Instrument, PriceTick
from risk.bound_models import TouchedAccount
from risk.bounds import renew_bounds
from risk.engine import Intent
from risk.models import GlobalExposure, Position, RiskPolicy
from risk.services import lock_exposure
from tests.trading.conftest import Marks, Trader, order, state_of
from tests.waiting import wait_for, waiting
from trading.errors import ClientOrderIdConflict, OrderNotOpen
from trading.liquidation.sweep import liquidate, sweep_liquidations
from trading.models import Liquidation, Order, OrderStatus, Trade
from trading.services import cancel_order, close_position, place_order
from trading.steps.by_hand import fixed_quotes
from trading.steps.step import StepResult, run_market_step

D = Decimal
CLIENTS = 4

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def together() -> Iterator[Callable[..., list[Any]]]:
    """Run calls in threads of their own, each on a connection of its own."""

    def closing(call: Callable[[], Any]) -> Any:
        try:
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(CLIENTS) as pool:
        yield lambda calls: list(pool.map(closing, calls))


def test_one_client_order_id_places_one_order(
    trader: Trader, together: Callable[..., list[Any]]
) -> None:
    user = trader("100000")
    intent = Intent("BTCUSDT", True, D("0.1"))

    def place() -> Any:
        return place_order(user_id=user.pk, intent=intent, client_order_id="same")

    placements = together([place] * 20)
    assert len({placement.order.pk for placement in placements}) == 1
    assert [placement.replayed for placement in placements].count(False) == 1
    assert Trade.objects.count() == 1


def test_two_meanings_of_one_client_order_id_conflict(
    trader: Trader, together: Callable[..., list[Any]]
) -> None:
    user = trader("100000")

    def place(size: str) -> str:
        intent = Intent("BTCUSDT", True, D(size))
        try:
            placed = place_order(user_id=user.pk, intent=intent, client_order_id="same")
        except ClientOrderIdConflict:
            return "conflict"
        return placed.order.status

    answers = together([lambda: place("0.1"), lambda: place("0.2")])
    assert sorted(answers) == ["FILLED", "conflict"]


def test_global_exposure_is_never_overshot(
    trader: Trader, marks: Marks, together: Callable[..., list[Any]]
) -> None:
    """Shared accounts, two instruments, resting orders, cancels and market steps in between."""
    threshold = D(60_000)
    RiskPolicy.objects.update(global_exposure_threshold=threshold)
    users = [trader("20000") for _ in range(3)]
    randomness = random.Random(7)

    def act(user: User, symbol: str, is_buy: bool, size: Decimal, rest: bool) -> Any:
        price = D("2000") if rest else None
        intent = Intent(symbol, is_buy or rest, size, price=price)
        return place_order(user_id=user.pk, intent=intent).order

    def client(seed: int) -> Callable[[], list[Order]]:
        choice = random.Random(seed)
        return lambda: [
            act(
                choice.choice(users),
                symbol := choice.choice(["BTCUSDT", "ETHUSDT"]),
                choice.random() < 0.6,
                D(choice.randint(1, 20)) / (100 if symbol == "BTCUSDT" else 4),
                choice.random() < 0.2,
            )
            for _ in range(15)
        ]

    def step() -> list[Order]:
        for _ in range(10):
            marks(BTCUSDT=str(64_990 + randomness.randint(0, 20)), ETHUSDT="3200")
        return []

    placed = [o for orders in together([*map(client, range(6)), step]) for o in orders]
    outcomes = Counter((o.status, o.reject_code) for o in placed)
    assert outcomes["FILLED", ""] > 10
    assert outcomes["REJECTED", "global_exposure_exceeded"] > 10
    opening = [o for o in placed if o.status != "REJECTED" and o.required_margin]
    assert max(o.global_exposure_after for o in opening) <= threshold  # type: ignore[type-var]
    assert Order.objects.count() == len(placed)
    assert all(state_of(user).margin_used <= state_of(user).equity for user in users)


def test_orders_that_fit_alone_are_not_let_in_together(
    trader: Trader, together: Callable[..., list[Any]]
) -> None:
    """Both were decided on what global exposure was before either is added to it."""
    RiskPolicy.objects.update(global_exposure_threshold=10_000)
    held = threading.Event()

    def hold() -> None:
        with transaction.atomic():
            GlobalExposure.objects.select_for_update().get()
            held.set()
            wait_for(lambda: waiting() >= 2, what="both orders' wait for global exposure")

    def buy(user: User, symbol: str, size: str) -> str:
        assert held.wait(timeout=60)
        return order(user, "buy", size, symbol).reject_code

    calls = [
        partial(buy, trader("10000"), "BTCUSDT", "0.1"),
        partial(buy, trader("10000"), "ETHUSDT", "2"),
    ]
    _, *codes = together([hold, *calls])
    assert sorted(codes) == ["", "global_exposure_exceeded"]
    assert GlobalExposure.objects.get().total == (6_500 if codes[0] == "" else 6_400)


def test_two_sweeps_close_out_each_account_once(
    trader: Trader, together: Callable[..., list[Any]]
) -> None:
    users = [trader("7000") for _ in range(6)]
    for user in users:
        order(user, "buy", "1")
    RiskPolicy.objects.update(liquidation_threshold=2)
    done = [sweep.liquidations for sweep in together([sweep_liquidations] * 3)]
    assert sorted(len(part) for part in done)[-1] > 0
    assert sum(len(part) for part in done) == Liquidation.objects.count() == len(users)
    assert liquidate(user_ids=[users[0].pk]) == []


def test_sweeps_a_step_and_orders_close_out_each_account_once(
    trader: Trader, marks: Marks, together: Callable[..., list[Any]]
) -> None:
    """Whatever order they come in: one close-out per account, and the old position is gone."""
    users = [trader("10000") for _ in range(4)]
    for user in users:
        order(user, "buy", "1")
        order(user, "buy", "1", "ETHUSDT", price="3000")
        withdraw(account=user.account, amount=D("6751"))

    def trade(user: User) -> list[Any]:
        placed = [order(user, "buy", "0.01") for _ in range(4)]
        with suppress(OrderNotOpen):
            resting = Order.objects.get(account=user.account, symbol="ETHUSDT")
            cancel_order(order_id=resting.pk, user_id=user.pk)
        return placed

    def step() -> list[Any]:
        return list(marks(BTCUSDT="64990").liquidations)

    def sweep() -> list[Any]:
        return list(sweep_liquidations().liquidations)

    traders = [partial(trade, user) for user in users]
    calls = [traders[0], sweep, step, sweep, *traders[1:]]
    done = [row for rows in together(calls) for row in rows]
    accounts = sorted(user.account.pk for user in users)
    assert sorted(row.account_id for row in done if isinstance(row, Liquidation)) == accounts
    assert sorted(Liquidation.objects.values_list("account_id", flat=True)) == accounts
    ended = Position.objects.filter(status="LIQUIDATED", instrument__symbol="BTCUSDT")
    assert sorted(ended.values_list("account_id", flat=True)) == accounts
    assert not Order.objects.filter(status=OrderStatus.NEW).exists()
    refused = {row.reject_code for row in done if isinstance(row, Order)} - {""}
    assert refused <= {"insufficient_margin"}
    assert all(state_of(user).margin_used <= state_of(user).equity for user in users)


def test_close_outs_at_once_share_the_insurance_fund(
    trader: Trader, marks: Marks, together: Callable[..., list[Any]]
) -> None:
    """The fund is paid out to the last unit, and not a unit twice."""
    fund_insurance(amount=D(1250), reason="Test")
    users = [trader("1000") for _ in range(6)]
    for user in users:
        order(user, "buy", "0.1")

    def sweep() -> None:
        deadline = time.monotonic() + 20
        while Liquidation.objects.count() < len(users) and time.monotonic() < deadline:
            sweep_liquidations()

    together([sweep, sweep, sweep, lambda: marks(BTCUSDT="50000")])
    paid = [done.insurance_paid for done in Liquidation.objects.all()]
    unpaid = [done.bad_debt for done in Liquidation.objects.all()]
    assert len(paid) == len(users)
    assert (sum(paid), sum(unpaid)) == (D(1250), D(1750))
    assert sorted(paid) == [0, 0, 0, D(250), D(500), D(500)]
    assert insurance_fund_balance() == 0
    assert {state_of(user).balance for user in users} == {D(0)}


def test_a_close_out_that_only_pays_a_fee_does_not_wait_for_the_fund(
    trader: Trader, together: Callable[..., list[Any]]
) -> None:
    """It may hold the exposure rows that the close-out drawing on the fund needs next."""
    user = trader("7000")
    order(user, "buy", "1")
    RiskPolicy.objects.update(liquidation_threshold=2, liquidation_fee_rate=D("0.01"))
    drawing, closed_out = threading.Event(), threading.Event()

    def draw() -> bool:
        with transaction.atomic():
            lock_insurance_fund()
            drawing.set()
            return closed_out.wait(timeout=20)

    def sweep() -> bool:
        assert drawing.wait(timeout=20)
        done = sweep_liquidations().liquidations
        closed_out.set()
        return len(done) == 1

    assert together([draw, sweep]) == [True, True]
    assert insurance_fund_balance() == 650


def beside(
    together: Callable[..., list[Any]], hold: Callable[[], object], act: Callable[[], Any]
) -> Any:
    """Return what ``act`` returned while another session kept the locks of ``hold``."""
    held, done = threading.Event(), threading.Event()

    def holding() -> bool:
        with transaction.atomic():
            hold()
            held.set()
            return done.wait(timeout=60)

    def acting() -> Any:
        assert held.wait(timeout=60)
        try:
            return act()
        finally:
            done.set()

    in_time, outcome = together([holding, acting])
    assert in_time, "it waited for the other session"
    return outcome


@pytest.fixture
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """What another session keeps locked for the whole test is not worth a second's wait."""
    monkeypatch.setattr("trading.booking.isolation.PATIENCE", 0.2)


@pytest.mark.usefixtures("little_patience")
def test_an_account_that_stays_locked_holds_up_neither_fills_nor_close_outs(
    trader: Trader, marks: Marks, together: Callable[..., list[Any]]
) -> None:
    """What is left to do for it is done once it is free."""
    locked, filled, weak, locked_weak = (trader("10000") for _ in range(4))
    for user in (locked, filled):
        order(user, "buy", "0.1", price="60000")
    for user in (weak, locked_weak):
        order(user, "buy", "1")
    step = beside(
        together,
        lambda: lock_accounts(user_ids=[locked.pk, locked_weak.pk], patience=10, afterwards=10),
        lambda: marks(BTCUSDT="58000"),
    )
    assert [done.account_id for done in step.ended_orders] == [filled.account.pk]
    assert [done.account_id for done in step.liquidations] == [weak.account.pk]
    assert step.unfinished == {locked.pk, locked_weak.pk}
    step = marks(BTCUSDT="58000")
    assert [done.account_id for done in step.ended_orders] == [locked.account.pk]
    assert [done.account_id for done in step.liquidations] == [locked_weak.account.pk]


def test_an_account_that_is_in_use_for_a_moment_is_closed_out_by_the_same_sweep(
    trader: Trader, together: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trading.booking.isolation.PATIENCE", 60)
    user, held = trader("10000"), threading.Event()
    order(user, "buy", "1")
    RiskPolicy.objects.update(liquidation_threshold=2)

    def use() -> None:
        with transaction.atomic():
            lock_account(user_id=user.pk)
            held.set()
            wait_for(waiting, what="the sweep's wait for the account")

    def sweep() -> Any:
        assert held.wait(timeout=60)
        return sweep_liquidations()

    _, done = together([use, sweep])
    assert [one.account_id for one in done.liquidations] == [user.account.pk]
    assert done.unfinished == set()


@pytest.mark.usefixtures("little_patience")
def test_a_locked_order_holds_up_the_close_out_of_its_own_account_alone(
    trader: Trader, together: Callable[..., list[Any]]
) -> None:
    """The group is halved until that account stands alone; the others are closed in their order."""
    users = [trader("10000") for _ in range(5)]
    resting = [order(user, "buy", "0.1", price="60000") for user in users]
    for user in users:
        order(user, "buy", "1")
    RiskPolicy.objects.update(liquidation_threshold=2)
    sweep = beside(
        together,
        lambda: Order.objects.select_for_update().get(pk=resting[2].pk),
        sweep_liquidations,
    )
    others = [user.account.pk for user in users if user != users[2]]
    assert [done.account_id for done in sweep.liquidations] == others
    assert sweep.unfinished == {users[2].pk}
    [done] = sweep_liquidations().liquidations
    assert done.account_id == users[2].account.pk


@pytest.mark.usefixtures("little_patience")
def test_an_instrument_that_stays_locked_keeps_its_mark_alone(
    trader: Trader, marks: Marks, together: Callable[..., list[Any]]
) -> None:
    btc, eth = (Instrument.objects.get(symbol=f"{base}USDT") for base in ("BTC", "ETH"))
    order(trader("10000"), "buy", "0.1", price="60000")

    def step(**prices: str) -> StepResult:
        quotes = fixed_quotes({symbol: D(price) for symbol, price in prices.items()})
        hold = partial(lock_exposure, instrument_ids=[eth.pk])
        result = beside(together, hold, partial(run_market_step, quote_source=quotes))
        assert isinstance(result, StepResult)
        return result

    both = step(BTCUSDT="59000", ETHUSDT="3000")
    assert (list(both.quotes), len(both.ended_orders)) == ([btc.pk], 1)
    assert not step(ETHUSDT="3000").refreshed
    eth.refresh_from_db()
    assert eth.mark_price == D("3200")
    assert list(marks(ETHUSDT="3000").quotes) == [eth.pk]


@pytest.mark.usefixtures("little_patience")
def test_the_market_goes_on_while_a_step_waits_for_a_locked_instrument(
    trader: Trader, marks: Marks, together: Callable[..., list[Any]]
) -> None:
    """In between its attempts others trade and step; then it sets the mark that it lacks."""
    user = trader("10000")
    btc, eth = (Instrument.objects.get(symbol=f"{base}USDT") for base in ("BTC", "ETH"))
    held, gone_on = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            lock_exposure(instrument_ids=[eth.pk])
            held.set()
            assert gone_on.wait(timeout=120)

    def step() -> StepResult:
        assert held.wait(timeout=60)
        return marks(BTCUSDT="64000", ETHUSDT="3000")

    def go_on() -> tuple[Order, StepResult]:
        try:
            wait_for(
                lambda: Instrument.objects.filter(pk=btc.pk, mark_price=64_000).exists(),
                what="the first attempt",
                seconds=60,
            )
            return order(user, "buy", "0.1"), marks(BTCUSDT="63000")
        finally:
            gone_on.set()

    _, waited, (placed, between) = together([hold, step, go_on])
    assert (placed.status, placed.average_price) == (OrderStatus.FILLED, 64_000)
    assert {key: quote.price for key, quote in waited.quotes.items()} == {
        btc.pk: 64_000,
        eth.pk: 3000,
    }
    assert between.refreshed
    assert between.step < waited.step
    assert not waited.unmarked
    marked = Instrument.objects.values_list("symbol", "mark_price")
    assert dict(marked) == {"BTCUSDT": 63_000, "ETHUSDT": 3000}


@pytest.mark.usefixtures("little_patience")
@pytest.mark.parametrize(
    "command", [["set_price", "ETHUSDT", "3000"], ["tick", "--seed", "7"], ["replay"]]
)
def test_a_command_whose_mark_stays_locked_says_so_and_fails(
    market: dict[str, Instrument],
    together: Callable[..., list[Any]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    command: list[str],
) -> None:
    """It ends at the price that it could not set; what it set stays."""
    monkeypatch.setattr("trading.steps.patient.PATIENCE", 0.5)
    files = []
    for symbol, price in (("BTCUSDT", "64000"), ("ETHUSDT", "3000")):
        file = tmp_path / symbol
        rows = [
            f"{time}000000,{price},{price},{price},{price}\n" for time in (1735689600, 1735689660)
        ]
        file.write_text("".join(rows))
        files.append(f"{symbol}={file}")
    out = StringIO()

    def call() -> None:
        arguments = [*command, *files] if command == ["replay"] else command
        with pytest.raises(CommandError, match=r"Not set .* mark price of ETHUSDT\."):
            call_command(*arguments, stdout=out)

    beside(together, lambda: lock_exposure(instrument_ids=[market["ETH"].pk]), call)
    assert Instrument.objects.get(symbol="ETHUSDT").mark_price == 3200
    if command == ["replay"]:
        assert out.getvalue().startswith("2025-01-01 00:00 BTCUSDT 64000, ETHUSDT 3000")
        assert "Replayed" not in out.getvalue()
        assert PriceTick.objects.filter(instrument=market["BTC"], price=64_000).count() == 1


@contextmanager
def refusing(table: str, user: User) -> Iterator[None]:
    """Let the database refuse rows of an account in a table."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION refuse_account() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'broken'; END $$; "
            f"CREATE TRIGGER refuse BEFORE INSERT ON {table} FOR EACH ROW "
            f"WHEN (NEW.account_id = {user.account.pk}) EXECUTE FUNCTION refuse_account()"
        )
        try:
            yield
        finally:
            cursor.execute(f"DROP TRIGGER refuse ON {table}; DROP FUNCTION refuse_account")


def test_an_account_that_fails_does_not_shield_the_others(trader: Trader) -> None:
    """A broken account is left to the next sweep; the others are closed out."""
    broken, sound = trader("7000"), trader("7000")
    for user in (broken, sound):
        order(user, "buy", "1")
    RiskPolicy.objects.update(liquidation_threshold=2)
    with refusing("trading_liquidation", broken):
        sweep = sweep_liquidations()
    assert [done.account_id for done in sweep.liquidations] == [sound.account.pk]
    assert sweep.unfinished == {broken.pk}
    sweep = sweep_liquidations()
    assert [done.account_id for done in sweep.liquidations] == [broken.account.pk]
    assert not sweep.unfinished


def test_an_account_whose_fill_fails_does_not_shield_the_others(
    trader: Trader, marks: Marks
) -> None:
    """The others fill and are closed out in the same step; the next one fills the broken one."""
    broken, *sound, weak = (trader("10000") for _ in range(5))
    for user in (broken, *sound):
        order(user, "buy", "0.1", price="60000")
    order(weak, "buy", "1")
    with refusing("trading_trade", broken):
        step = marks(BTCUSDT="58000")
    assert {filled.account_id for filled in step.ended_orders} == {u.account.pk for u in sound}
    assert [done.account_id for done in step.liquidations] == [weak.account.pk]
    assert step.unfinished == {broken.pk}
    assert state_of(broken).reserved_margin == D("600")
    [filled] = marks(BTCUSDT="64000").ended_orders
    assert (filled.account_id, filled.average_price) == (broken.account.pk, D("60000"))


def test_closes_beside_orders_open_nothing_the_other_way(
    trader: Trader, together: Callable[..., list[Any]]
) -> None:
    """Whoever decided on what was open before the lock would sell the same twice."""
    user = trader("100000")

    def close() -> Order:
        return close_position(user_id=user.pk, symbol="BTCUSDT").order

    def buy() -> Order:
        return order(user, "buy", "0.01")

    orders = together([buy, close, close, buy, close] * 6)
    sold = [done for done in orders if done.side == "sell"]
    assert {done.reject_code for done in sold} <= {"", "reduce_only_rejected"}
    bought = sum(done.size for done in orders if done.side == "buy")
    left = sum(p.holding.quantity for p in state_of(user).positions.values())
    assert sum(done.filled_size for done in sold) == bought - left
    assert left >= 0
    assert not Position.objects.filter(quantity__lt=0).exists()
    assert all(done.filled_size == done.size for done in sold if not done.reject_code)


def test_an_order_is_cancelled_once(trader: Trader, together: Callable[..., list[Any]]) -> None:
    user = trader("10000")
    placed = order(user, "buy", "0.1", price="60000")

    def cancel() -> str:
        try:
            return cancel_order(order_id=placed.pk, user_id=user.pk).status
        except Exception as error:
            return str(getattr(error, "code", error))

    answers = together([cancel] * 6)
    assert Counter(answers) == {OrderStatus.CANCELED: 1, "order_not_open": 5}
    assert GlobalExposure.objects.get().total == 0


def test_what_others_note_about_a_locked_account_waits_for_nobody(
    trader: Trader, together: Callable[..., list[Any]]
) -> None:
    """A bound refers to the account by a foreign key, and would hold up everybody's renewal."""
    user = trader()
    order(user, "buy", "0.1")

    def renew() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '2s'")
            try:
                return renew_bounds()
            finally:
                cursor.execute("RESET lock_timeout")

    locks: list[Callable[[], object]] = [
        lambda: lock_account(user_id=user.pk),
        lambda: lock_accounts(user_ids=[user.pk], patience=10, afterwards=10),
        lambda: deposit(account=user.account, amount=D(1)),
    ]
    for lock in locks:
        TouchedAccount.objects.create(account_id=user.account.pk)
        with transaction.atomic():
            lock()
            assert together([renew]) == [1]


def test_a_step_does_not_wait_for_an_order_that_is_being_ended(
    trader: Trader, marks: Marks, together: Callable[..., list[Any]]
) -> None:
    """A cancel holds its order and then wants the exposure that the step holds: no circle."""
    mine, other = (order(trader("10000"), "buy", "0.1", price="60000") for _ in range(2))

    def step() -> list[int]:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '2s'")
            try:
                return [ended.pk for ended in marks(BTCUSDT="59000").ended_orders]
            finally:
                cursor.execute("RESET lock_timeout")

    with transaction.atomic():
        Order.objects.select_for_update().get(pk=mine.pk)
        assert together([step]) == [[other.pk]]
    assert step() == [mine.pk]
