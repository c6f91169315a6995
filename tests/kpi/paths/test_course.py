"""The way to a close-out, recomputed from history, is what the statements said at the time."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import User
from accounts.services import deposit, withdraw
from kpi.paths import fills, moments
from kpi.paths.course import Point, course_of
from kpi.paths.moments import Kind
from kpi.paths.spans import WINDOWS, span_of
from kpi.paths.subjects import of_close_out
from market.candles import opens
from market.models import Instrument, KeptCandle, PriceTick
from risk.models import RiskPolicy
from risk.services import change_policy
from risk.statement import account_statement
from tests.each import each
from tests.trading.conftest import Marks, Trader, order
from tests.trading.conftest import market as market
from tests.trading.conftest import marks as marks
from tests.trading.conftest import trader as trader
from trading.models import Liquidation

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
MOVES = st.lists(
    st.tuples(
        st.sampled_from(["BTCUSDT", "ETHUSDT"]),
        st.booleans(),
        st.decimals("0.01", "0.2", places=2),
        st.integers(1, 10),
        st.decimals("2500", "4000", places=2),
    ),
    min_size=1,
    max_size=6,
)


def course(user: User, window: str = "1h") -> list[Point]:
    now = timezone.now()
    span = span_of(window, until=now, earliest=user.account.created_at)
    return course_of(user.account, span, now=now)


def minute() -> datetime:
    return opens(timezone.now(), MINUTE)


@given(moves=MOVES)
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
def test_each_point_is_what_the_statement_said(
    trader: Trader, marks: Marks, moves: list[tuple[str, bool, Decimal, int, Decimal]]
) -> None:
    start, said = minute() + MINUTE, {}
    with time_machine.travel(start, tick=False):
        user = trader(balance="20000")
    for number, (symbol, is_buy, size, leverage, price) in enumerate(moves):
        with time_machine.travel(start + number * MINUTE + MINUTE / 2, tick=False):
            order(user, "buy" if is_buy else "sell", str(size), symbol, leverage=leverage)
            marks(ETHUSDT=str(price))
            said[start + (number + 1) * MINUTE] = account_statement(user_id=user.pk)
    with time_machine.travel(start + len(moves) * MINUTE, tick=False):
        drawn = {one.at: one for one in course(user)}
    for moment, statement in said.items():
        state = drawn[moment].state
        assert state is not None
        assert (state.balance, state.equity) == (statement.balance, statement.equity)
        assert drawn[moment].ratio == statement.margin_ratio
        for line in statement.positions:
            if line.status == "OPEN":
                key = Instrument.objects.get(symbol=line.symbol).pk
                assert drawn[moment].entry(key) == line.entry_price
                assert drawn[moment].liquidation_price(key) == line.liquidation_price


def test_the_ratio_crosses_the_threshold_at_the_step_of_the_close_out(
    trader: Trader, marks: Marks
) -> None:
    user = trader()
    order(user, "buy", "1", leverage=10)
    marks(BTCUSDT="60000")
    marks(BTCUSDT="58249")  # the step that closes the account out
    done = Liquidation.objects.get()
    around = [one for one in course(user) if one.kind in (Kind.BEFORE, Kind.AFTER)]
    before, after = around
    assert before.ratio == done.margin_ratio_before == Decimal("0.49984615")
    assert before.ratio < before.required.threshold == done.threshold
    assert (after.ratio, after.state and after.state.balance) == (None, Decimal(3249))
    assert not before.recorded
    PriceTick.objects.all().delete()
    cover = before.cover
    before, _ = [one for one in course(user) if one.kind in (Kind.BEFORE, Kind.AFTER)]
    assert (before.recorded, before.state, before.ratio) == (True, None, done.margin_ratio_before)
    assert before.cover == cover == Decimal("0.99969231")


def test_what_a_partial_close_out_leaves_goes_on(trader: Trader, marks: Marks) -> None:
    """Its page begins with the window that holds the position since it was opened."""
    change_policy(reason="A test", changes={"liquidation_mode": "partial"})
    start = minute() - 2 * DAY
    with time_machine.travel(start, tick=False):
        user = trader()
        order(user, "buy", "1", leverage=10)
    with time_machine.travel(start + 2 * DAY, tick=False):
        marks(BTCUSDT="58000")
        done, statement = Liquidation.objects.get(), account_statement(user_id=user.pk)
        points = course(user)
    before, after = [one for one in points if one.kind in (Kind.BEFORE, Kind.AFTER)]
    assert (before.ratio, after.ratio) == (done.margin_ratio_before, done.margin_ratio_after)
    assert after.ratio is not None
    assert after.ratio > Decimal("0.625")
    [line] = statement.positions
    key = Instrument.objects.get(symbol="BTCUSDT").pk
    assert (points[-1].entry(key), points[-1].ratio) == (line.entry_price, statement.margin_ratio)
    assert of_close_out(done, "").window == "7d"
    PriceTick.objects.all().delete()
    with time_machine.travel(start + 2 * DAY, tick=False):
        recorded = [one for one in course(user) if one.kind in (Kind.BEFORE, Kind.AFTER)]
    assert [one.recorded for one in recorded] == [True, True]
    for one, drawn in zip(recorded, (before, after), strict=True):
        assert (one.ratio, one.cover) == (drawn.ratio, drawn.cover)


def test_by_brackets_equity_is_held_against_what_was_required(trader: Trader, marks: Marks) -> None:
    """1 at 62,000 requires 0.1 × 62,000; before the policy said so, half of a margin of 6,500."""
    start = minute() + MINUTE
    with time_machine.travel(start - MINUTE / 2, tick=False):
        user = trader()
        order(user, "buy", "1", leverage=10)
    with time_machine.travel(start + MINUTE / 2, tick=False):
        changes = {"margin_mode": "brackets", "maintenance_brackets": "BTCUSDT 90000: 0.1 10x"}
        change_policy(reason="A test", changes=changes)
        marks(BTCUSDT="62000")
    with time_machine.travel(start + MINUTE, tick=False):
        drawn = course(user)
        key = Instrument.objects.get(symbol="BTCUSDT").pk
        earlier, now = next(one for one in drawn if one.at == start), drawn[-1]
        assert (earlier.cover, now.cover) == (Decimal("3.07692308"), Decimal("1.12903226"))
        assert now.liquidation_price(key) == Decimal("61111.11111111")
        marks(BTCUSDT="61111")
        done = Liquidation.objects.get()
        before, after = [one for one in course(user) if one.kind in (Kind.BEFORE, Kind.AFTER)]
        assert (before.cover, after.cover) == (Decimal("0.99998364"), None)
        PriceTick.objects.all().delete()
        recorded, _ = [one for one in course(user) if one.kind in (Kind.BEFORE, Kind.AFTER)]
        assert (recorded.recorded, recorded.ratio, recorded.cover) == (
            True,
            done.margin_ratio_before,
            before.cover,
        )


def test_before_the_step_of_a_close_out_the_ratio_was_not_below_the_threshold(
    trader: Trader, marks: Marks
) -> None:
    start = minute() + MINUTE
    with time_machine.travel(start, tick=False):
        user = trader()
        order(user, "buy", "1", leverage=10)
        marks(BTCUSDT="60000")
    with time_machine.travel(start + 3 * MINUTE, tick=False):
        marks(BTCUSDT="58249")
        drawn = course(user)
    ratios = [(one.kind, one.ratio) for one in drawn if one.at > start]
    assert ratios[:2] == [(Kind.BAR, Decimal("0.76923077"))] * 2
    assert ratios[2] == (Kind.BEFORE, Decimal("0.49984615"))


def test_the_threshold_is_the_one_of_each_moment(trader: Trader, marks: Marks) -> None:
    start = minute() + MINUTE
    with time_machine.travel(start, tick=False):
        user = trader()
    for number, threshold in enumerate(("0.5", "0.4"), start=1):
        with time_machine.travel(start + number * MINUTE - MINUTE / 2, tick=False):
            change_policy(reason="A test", changes={"liquidation_threshold": Decimal(threshold)})
    with time_machine.travel(start + 3 * MINUTE, tick=False):
        thresholds = [one.required.threshold for one in course(user)]
    assert thresholds == [Decimal(text) for text in ("0.5", "0.5", "0.4", "0.4")]
    assert RiskPolicy.objects.get().liquidation_threshold == Decimal("0.4")


def test_a_forgotten_mark_leaves_a_gap(
    trader: Trader, market: dict[str, Instrument], django_assert_max_num_queries: Any
) -> None:
    start = minute() + MINUTE
    with time_machine.travel(start, tick=False):
        user = trader()
        order(user, "buy", "0.1")
    with time_machine.travel(start + 3 * MINUTE, tick=False):
        withdraw(account=user.account, amount=Decimal(400), reason="Rent")
        with django_assert_max_num_queries(16):
            drawn = course(user)
        assert all(one.ratio for one in drawn[1:])
        assert drawn[-1].ratio == account_statement(user_id=user.pk).margin_ratio
        KeptCandle.objects.all().delete()
        drawn = course(user)
    assert [one.state for one in drawn if one.kind is Kind.BAR][1:] == [None] * 2
    assert drawn[-1].ratio == account_statement(user_id=user.pk).margin_ratio


@each(
    ("side", "damage"),
    [
        ("buy", "UPDATE trading_trade SET leverage = 1 WHERE id = (SELECT min(id) {})"),
        ("sell", "DELETE FROM trading_trade WHERE id = (SELECT max(id) {})"),
    ],
)
def test_fills_that_do_not_lead_to_the_record_leave_a_gap(
    trader: Trader, side: str, damage: str
) -> None:
    """As where a history was altered past all guards: nothing is drawn that was not so."""
    start = minute() + MINUTE
    with time_machine.travel(start, tick=False):
        user = trader()
        order(user, "buy", "0.1")
    with time_machine.travel(start + MINUTE + MINUTE / 2, tick=False):
        order(user, side, "0.1")
    with time_machine.travel(start + 3 * MINUTE, tick=False):
        known = [one.state is not None for one in course(user) if one.at > start]
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute(damage.format("FROM trading_trade"))
            cursor.execute("SET LOCAL session_replication_role = origin")
        drawn = [one for one in course(user) if one.at > start]
    assert known == [True, True, True]
    assert [one.state is not None for one in drawn] == [False, True, True]
    assert drawn[-1].ratio == account_statement(user_id=user.pk).margin_ratio


@each("way", ["in", "out"])
def test_a_balance_behind_more_transfers_than_are_looked_at_is_not_known(
    trader: Trader, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Of either direction the newest ones alone are; what they do not reach is a gap, not wrong."""
    monkeypatch.setattr(moments, "MOST_TRANSFERS", 3)
    start = minute() + MINUTE
    with time_machine.travel(start, tick=False):
        user = trader()
        order(user, "buy", "0.1")
    for number in range(1, 5):
        with time_machine.travel(start + number * MINUTE - MINUTE / 2, tick=False):
            move = deposit if way == "in" else withdraw
            move(account=user.account, amount=Decimal(number), reason="A test")
    with time_machine.travel(start + 4 * MINUTE, tick=False):
        drawn = [one for one in course(user) if one.at > start]
    found = [one.state and one.state.balance for one in drawn]
    sign = 1 if way == "in" else -1
    assert found == [None, *(Decimal(10_000 + sign * moved) for moved in (3, 6, 10))]


def test_what_was_held_behind_more_positions_than_are_looked_at_is_not_known(
    trader: Trader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three the newest two alone are: what was held before they were opened is a gap."""
    start = minute() + MINUTE
    with time_machine.travel(start - MINUTE / 2, tick=False):
        user = trader()
    for number in range(3):
        with time_machine.travel(start + 2 * number * MINUTE + MINUTE / 2, tick=False):
            order(user, "buy", "0.1")
        with time_machine.travel(start + 2 * number * MINUTE + 1.5 * MINUTE, tick=False):
            order(user, "sell", "0.1")
    with time_machine.travel(start + 6 * MINUTE, tick=False):
        whole = course(user)
        monkeypatch.setattr(fills, "MOST_POSITIONS", 2)
        drawn = course(user)
    assert None not in [one.state for one in whole]
    gap = [one.at for one in drawn if one.state is None]
    assert gap == [one.at for one in whole if one.at < start + 3 * MINUTE]
    assert drawn[len(gap) :] == whole[len(gap) :]


@pytest.mark.parametrize("window", WINDOWS)
def test_a_chart_has_a_bounded_number_of_bars(window: str) -> None:
    now = timezone.now()
    for age in (1, 3_600, 86_400, 40 * 86_400, 3_000 * 86_400):
        span = span_of(window, until=now, earliest=now - timedelta(seconds=age))
        assert 1 <= len(span.bars) <= 401
        assert span.since <= now - min(timedelta(seconds=age), WINDOWS[window])


def test_an_account_in_its_own_words(client: Client, trader: Trader, marks: Marks) -> None:
    user = trader()
    client.force_login(User.objects.create_superuser("head", password=None))
    address = reverse("account-path", args=[user.account.pk])
    assert "placed no order yet" in client.get(address).json()["empty"]
