"""What a move would do is what it does: the same accounts, notional and fund, to the digit."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from random import Random

import pytest
from django.db import connection
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoDbBlocker

from accounts.models import Tier, Transfer, TransferKind
from accounts.selectors import insurance_fund_balance, total_bad_debt
from accounts.services import create_user, fund_insurance, suspend_account, withdraw
from kpi.leverage import what_if as module
from kpi.leverage.what_if import Move, WhatIf, what_if
from market.models import Instrument
from risk.models import RiskPolicy
from risk.what_if import moved
from tests.each import each
from tests.kept import kept, put_marked_now
from tests.trading.conftest import Trader, list_market, order
from trading.liquidation.sweep import sweep_liquidations
from trading.models import Liquidation, Order, Trade
from trading.steps.by_hand import set_price, step_at_prices

D = Decimal
SYMBOLS = ("BTCUSDT", "ETHUSDT")
MARKS = {"BTCUSDT": D(65_000), "ETHUSDT": D(3_200)}


@contextmanager
def undone() -> Iterator[None]:
    """Take back what happens in the block. Django would refuse a step within a savepoint of its."""
    with connection.cursor() as cursor:
        cursor.execute("SAVEPOINT before")
        yield
        cursor.execute("ROLLBACK TO before")


def trade() -> None:
    """Accounts of every tier, long and short, some with resting orders near and far."""
    list_market()
    chance = Random(4)
    for number in range(14):
        tier = ("beginner", "intermediate", "advanced")[number % 3]
        user = create_user(username=f"trader{number}", tier=Tier(tier), opening_balance=D(10_000))
        symbols = SYMBOLS[: 1 + number % 2]
        for symbol in symbols:
            share = D(chance.randint(40, 95)) / 100 / len(symbols)
            stake = 10_000 * (5, 10, 20)[number % 3] * share
            size = (stake / MARKS[symbol]).quantize(D("0.001"))
            assert order(user, chance.choice(["buy", "buy", "sell"]), str(size), symbol).filled_size
        if number % 4 == 0:
            order(user, "buy", "0.01", price="63000")
            order(user, "sell", "0.3", "ETHUSDT", price="3300")
            order(user, "sell", "5", "BTCUSDT", price="66000", reduce_only=True)
        if number == 8:
            suspend_account(reason="A test", account=user.account)
    fund_insurance(amount=D(7_000), reason="Test")


@pytest.fixture(scope="session")
def book_rows(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> str:
    return kept("book", trade, django_db_blocker)


@pytest.fixture
def book(db: None, book_rows: str) -> None:
    put_marked_now(book_rows)


def asked(move: Move) -> WhatIf:
    found = what_if(move)
    assert found is not None
    return found


def make_happen(move: Move) -> None:
    """Move the marks as staff would, by one market step."""
    prices = {
        row.symbol: moved(row.mark_price, move.percent, row.tick_size)
        for row in Instrument.objects.all()
        if row.mark_price is not None and move.symbol in ("", row.symbol)
    }
    if move.percent == 0:
        sweep_liquidations()
    elif move.symbol:
        set_price(symbol=move.symbol, price=prices[move.symbol])
    else:
        step_at_prices(prices)


def hold_to_what_happens(move: Move) -> int:
    """Compare a move's answer with what the exchange does; return how many accounts close."""
    said = asked(move)
    before, fund, debt = Trade.objects.count(), insurance_fund_balance(), total_bad_debt()
    make_happen(move)
    done = list(Liquidation.objects.order_by("account_id"))
    closed = said.close_outs.closed
    assert [one.account_id for one in closed] == [row.account_id for row in done]
    for one, row in zip(closed, done, strict=True):
        assert one.notional == row.trades.aggregate(total=Sum("notional"))["total"]
        assert (one.insurance_paid, one.bad_debt) == (row.insurance_paid, row.bad_debt)
        standings = (one.out.before, one.out.after)
        assert [s.equity for s in standings] == [row.equity_before, row.equity_after]
        assert [s.ratio for s in standings] == [row.margin_ratio_before, row.margin_ratio_after]
        assert len(one.out.closings) == row.trades.count()
    assert (said.fund_before, said.close_outs.fund) == (fund, insurance_fund_balance())
    assert sum(one.bad_debt for one in closed) == total_bad_debt() - debt
    fees = Transfer.objects.filter(kind=TransferKind.LIQUIDATION_FEE)
    assert said.close_outs.fees == (fees.aggregate(total=Sum("amount"))["total"] or 0)
    fills = (
        Trade.objects.filter(liquidation=None).count()
        + Order.objects.filter(status="EXPIRED").count()
    )
    assert fills - before == said.fills
    return len(done)


@pytest.mark.usefixtures("book")
@each("mode", ["full", "largest_loss_first", "partial"])
def test_what_is_said_happens(mode: str) -> None:
    RiskPolicy.objects.update(liquidation_mode=mode, liquidation_fee_rate=D("0.002"))
    Instrument.objects.update(maker_fee_rate=D("0.0002"))
    moves = [Move(D(percent)) for percent in ("0", "-4.37", "-12", "40")]
    moves += [Move(D("-15"), "BTCUSDT"), Move(D("60"), "ETHUSDT")]
    counts = []
    for move in moves:
        with undone():
            counts.append(hold_to_what_happens(move))
    assert counts[0] == 0
    assert all(counts[2:])


@pytest.mark.usefixtures("book")
@each("mode", ["full", "largest_loss_first", "partial"])
def test_what_is_said_by_brackets_happens(mode: str) -> None:
    """Of one instrument; the other one's positions are held to their share."""
    ladder = "BTCUSDT 2000: 0.01 50x, 20000: 0.05 20x, 90000: 0.1 10x"
    rules = {"margin_mode": "brackets", "maintenance_brackets": ladder}
    RiskPolicy.objects.update(liquidation_mode=mode, **rules)
    counts = []
    for move in (Move(D(0)), Move(D("-9")), Move(D("-15")), Move(D(40))):
        with undone():
            counts.append(hold_to_what_happens(move))
    assert counts[0] == 0
    assert all(counts[2:])


@pytest.mark.usefixtures("book")
def test_at_no_move_only_those_close_whom_a_sweep_finds() -> None:
    user = Order.objects.filter(status="FILLED").latest("id").account.user
    assert user is not None
    assert asked(Move(D(0))).close_outs.closed == []
    withdraw(account=user.account, amount=user.account.balance - 2_000)
    [one] = asked(Move(D(0))).close_outs.closed
    assert one.account_id == user.account.pk
    assert hold_to_what_happens(Move(D(0))) == 1


@pytest.mark.usefixtures("book")
def test_a_halt_keeps_orders_from_filling_first() -> None:
    assert asked(Move(D(-5))).fills
    with undone():
        Instrument.objects.update(halted=True)
        assert asked(Move(D(-5))).fills == 0
        hold_to_what_happens(Move(D(-5)))
    with undone():
        RiskPolicy.objects.update(trading_halted=True)
        assert asked(Move(D(-5))).fills == 0
        hold_to_what_happens(Move(D(-5)))


def test_a_fill_that_the_throttle_counts_lets_the_rest_only_reduce(trader: Trader) -> None:
    """As a step has it: what opens behind it expires, and nobody is closed out."""
    RiskPolicy.objects.update(max_fills=2)
    user = trader("10000")
    for size in ("0.001", "0.001", "0.9"):
        assert order(user, "buy", size, price="64000", leverage=10).status == "NEW"
    assert asked(Move(D(-20))).close_outs.closed == []
    assert hold_to_what_happens(Move(D(-20))) == 0
    assert set(Order.objects.values_list("status", flat=True)) == {"FILLED", "EXPIRED"}


@pytest.mark.usefixtures("book")
def test_nothing_is_stored() -> None:
    before = list(Order.objects.values_list("id", "status", "filled_size"))
    with CaptureQueriesContext(connection) as queries:
        asked(Move(D(-20)))
    written = [q["sql"] for q in queries if q["sql"].lstrip()[:6].upper() in {"INSERT", "UPDATE"}]
    assert (written, len(queries) <= 12) == ([], True)
    assert list(Order.objects.values_list("id", "status", "filled_size")) == before


@pytest.mark.usefixtures("book")
def test_beyond_its_bounds_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    fills = asked(Move(D(-5))).fills
    assert fills is not None
    monkeypatch.setattr(module, "MOST_FILLS", fills)
    assert asked(Move(D(-5))).fills == fills
    monkeypatch.setattr(module, "MOST_FILLS", fills - 1)
    found = asked(Move(D(-5)))
    assert found.fills is None
    Order.objects.filter(status="NEW").update(
        status="CANCELED", reserved_margin=0, reserved_notional=0
    )
    without = asked(Move(D(-5)))
    assert found.close_outs == without.close_outs
    monkeypatch.setattr(module, "MOST_POSITIONS", 3)
    assert what_if(Move(D(-5))) is None
