"""A cascade's close-outs, grouped by time and side, with the price and what the fund held."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import time_machine
from django.db import connection
from django.utils import timezone

from accounts.selectors import insurance_fund_balance, total_bad_debt
from accounts.services import fund_insurance
from kpi.history.snapshots import take_snapshot
from kpi.leverage.cascade import WINDOWS, Cascade, get_cascade, most_closed
from market.models import Instrument
from tests.trading.conftest import Marks, Trader, order

D = Decimal


def crash(trader: Trader, marks: Marks) -> datetime:
    """Three longs close out in two falls that lie ten minutes apart, then a short in ETHUSDT."""
    fund_insurance(amount=D(2_000), reason="Test")
    now = timezone.now().replace(second=30, microsecond=0)
    for size in ("1", "1.8", "2"):
        order(trader("10000", "advanced"), "buy", size)
    order(trader("10000", "advanced"), "sell", "40", "ETHUSDT")
    for minutes, prices in (
        (30, {"BTCUSDT": "60000"}),
        (20, {"BTCUSDT": "52000"}),
        (10, {"ETHUSDT": "3420"}),
    ):
        with time_machine.travel(now - timedelta(minutes=minutes), tick=False):
            marks(**prices)
            take_snapshot()
    return now


def seen(window: str, symbol: str = "BTCUSDT") -> Cascade:
    return get_cascade(window=window, instrument=Instrument.objects.get(symbol=symbol))


def test_close_outs_stand_in_groups_at_their_price(trader: Trader, marks: Marks) -> None:
    now = crash(trader, marks)
    with time_machine.travel(now, tick=False):
        found, ether = seen("1h"), seen("1h", "ETHUSDT")
        first, second = found.groups
        assert (first.price, first.size, first.accounts, first.is_long) == (
            D(60_000),
            D("3.8"),
            2,
            True,
        )
        assert (second.price, second.notional) == (D(52_000), D(52_000))
        assert second.at == now - timedelta(minutes=20)
        # 1 bought at 65,000 with 10,000: 3,000 are owed, of which the fund has 2,000.
        assert (second.insurance_paid, second.bad_debt) == (D(2_000), D(1_000))
        [short] = ether.groups
        assert (short.is_long, short.price) == (False, D(3_420))
        assert (found.levels[-1].fund, found.levels[-1].bad_debt) == (
            insurance_fund_balance(),
            total_bad_debt(),
        )
        assert {one.fund for one in found.levels} == {D(2_000), D(0)}
        assert (found.prices[-1], D(60_000) in dict(map(reversed, found.prices))) == (
            (now, D(52_000)),
            True,
        )


def test_fund_and_debt_are_told_though_time_passes_between_their_reads(
    trader: Trader, marks: Marks
) -> None:
    now = crash(trader, marks)

    def late(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if "FROM kpi_kpisnapshot" in sql:
            clock.shift(timedelta(minutes=35))
        return execute(sql, *rest)

    with time_machine.travel(now, tick=False) as clock, connection.execute_wrapper(late):
        levels = seen("1h").levels
    assert levels[-1].bad_debt == total_bad_debt() > 0


def test_a_longer_window_groups_more_and_leaves_nothing_out(trader: Trader, marks: Marks) -> None:
    now = crash(trader, marks)
    with time_machine.travel(now + timedelta(hours=3), tick=False):
        assert seen("1h").groups == []
        for window in ("24h", "7d"):
            groups = seen(window).groups
            assert sum(one.notional for one in groups) == D("3.8") * 60_000 + 52_000
            assert len(groups) <= 2 * (WINDOWS[window].length.total_seconds() / 900 + 1)


def test_first_comes_what_most_was_closed_out_of(trader: Trader, marks: Marks) -> None:
    order(trader("100000", "advanced"), "buy", "200", "ETHUSDT")
    chosen = most_closed(window="1h")
    assert chosen is not None
    assert chosen.symbol == "ETHUSDT"  # the largest open interest
    crash(trader, marks)
    chosen = most_closed(window="1h")
    assert chosen is not None
    assert chosen.symbol == "BTCUSDT"


def test_without_a_mark_there_is_nothing_to_choose(db: None) -> None:
    assert most_closed(window="24h") is None
