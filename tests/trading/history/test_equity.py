"""The equity curve, recomputed from history, is what the statements said at the time."""

from datetime import timedelta
from decimal import Decimal

import time_machine
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.services import withdraw
from market.models import Instrument, KeptCandle, PriceTick
from risk.statement import account_statement
from tests.trading.conftest import Marks, Trader, later, order
from trading.history.equity import CURVES, STEPS, equity_curve

MINUTE = timedelta(minutes=1)
MOVES = st.lists(
    st.tuples(
        st.booleans(),
        st.decimals("0.01", "2", places=2),
        st.integers(1, 10),
        st.decimals("2500", "4000", places=2),
    ),
    min_size=1,
    max_size=5,
)


@given(moves=MOVES)
@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_the_curve_is_what_the_statements_said(
    trader: Trader, marks: Marks, moves: list[tuple[bool, Decimal, int, Decimal]]
) -> None:
    user, said, start = trader(balance="20000"), [], timezone.now()
    for number, (is_buy, size, leverage, price) in enumerate(moves, start=1):
        with time_machine.travel(start + number * MINUTE, tick=False):
            order(user, "buy" if is_buy else "sell", str(size), "ETHUSDT", leverage=leverage)
            marks(ETHUSDT=str(price))
            said.append((timezone.now(), account_statement(user_id=user.pk)))
    for moment, statement in said:
        with time_machine.travel(moment, tick=False):
            last = equity_curve(account=user.account, curve="24h")[-1]
        assert (last.at, last.balance) == (moment, statement.balance)
        assert last.equity == statement.equity


def test_a_curve_begins_with_the_first_money(trader: Trader) -> None:
    user = trader(balance="1000")
    with time_machine.travel(timezone.now() + 60 * MINUTE, tick=False):
        withdraw(account=user.account, amount=Decimal(400), reason="Rent")
        for curve in CURVES:
            points = equity_curve(account=user.account, curve=curve)
            assert len(points) == STEPS + 1
            assert (points[0].balance, points[-1].balance) == (1000, 600)
            assert [point.equity for point in points] == [point.balance for point in points]


def test_an_account_without_money_has_no_curve(trader: Trader) -> None:
    assert equity_curve(account=trader(balance="0").account, curve="all") == []


def test_of_forgotten_ticks_the_candles_tell(
    trader: Trader, market: dict[str, Instrument], marks: Marks
) -> None:
    user = trader()
    order(user, "buy", "1", "ETHUSDT")
    marks(ETHUSDT="3300")
    with later(120):
        before = equity_curve(account=user.account, curve="24h")[-1]
        market["ETH"].ticks.all().delete()
        after = equity_curve(account=user.account, curve="24h")[-1]
    assert before.equity == after.equity == before.balance + 100


def test_a_point_tells_the_time_of_a_replayed_candle(
    trader: Trader, market: dict[str, Instrument]
) -> None:
    user = trader()
    order(user, "buy", "1", "ETHUSDT")
    assert equity_curve(account=user.account, curve="24h")[-1].market_time is None
    candle = timezone.now() - timedelta(days=400)
    for model in (PriceTick, KeptCandle):
        model.objects.filter(instrument=market["ETH"]).update(market_time=candle)
    with later(120):
        assert equity_curve(account=user.account, curve="24h")[-1].market_time == candle
        market["ETH"].ticks.all().delete()
        assert equity_curve(account=user.account, curve="24h")[-1].market_time == candle


def test_a_forgotten_price_leaves_a_gap(trader: Trader, market: dict[str, Instrument]) -> None:
    user = trader()
    order(user, "buy", "1", "ETHUSDT")
    market["ETH"].ticks.all().delete()
    KeptCandle.objects.all().delete()
    assert equity_curve(account=user.account, curve="24h")[-1].equity is None
