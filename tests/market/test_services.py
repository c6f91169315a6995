"""Instruments are listed and halted, marks recorded."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from market.kernel.amounts import LARGEST_INPUT
from market.kernel.errors import ExchangeError
from market.models import Instrument, PriceOrigin, PriceTick
from market.quotes import Quote
from market.services import (
    check_marks,
    halt_instrument,
    list_instrument,
    record_marks,
    resume_instrument,
)
from tests.each import each
from tests.market.conftest import mark


def test_marks_of_many_instruments_take_four_statements(btc: Instrument) -> None:
    listed = [btc] + [
        list_instrument(
            reason="A test",
            symbol=f"C{number}USDT",
            base_asset="C",
            tick_size=Decimal(1),
            lot_size=Decimal(1),
        )
        for number in range(20)
    ]
    now = timezone.now()
    quotes = {
        instrument.pk: Quote(Decimal(100 + place), PriceOrigin.BINANCE_TESTNET)
        for place, instrument in enumerate(listed)
    }
    with CaptureQueriesContext(connection) as statements:
        record_marks(quotes=quotes, now=now)
    assert len(statements) == 4
    for instrument in Instrument.objects.all():
        assert (instrument.mark_price, instrument.marked_at, instrument.mark_source) == (
            quotes[instrument.pk].price,
            now,
            "binance_testnet",
        )
        tick = PriceTick.objects.get(instrument=instrument)
        assert (tick.price, tick.created_at) == (instrument.mark_price, now)


@each("price", ["0", "-1", "0.001", "1000000000", "NaN"])
def test_a_mark_must_be_a_positive_multiple_of_the_tick(btc: Instrument, price: str) -> None:
    quote = Quote(Decimal(price), PriceOrigin.SIMULATION)
    with pytest.raises(ExchangeError, match="invalid_price"):
        check_marks(quotes={btc.pk: quote})


@each(
    ("changes", "complaint"),
    [
        ({"tick_size": Decimal("0.0001"), "lot_size": Decimal("0.00001")}, "must be a multiple of"),
        ({"tick_size": Decimal(0)}, "are positive"),
        ({"tick_size": Decimal("NaN")}, "must be a decimal number"),
        ({"tick_size": Decimal("1E-9")}, "no more than 8 decimal places"),
        ({"tick_size": LARGEST_INPUT}, "are below 1,000,000,000"),
        ({"lot_size": LARGEST_INPUT}, "are below 1,000,000,000"),
        ({"min_notional": Decimal(-1)}, "is not negative"),
        ({"symbol": "BTC-USDT"}, "capital letters and digits"),
        ({"symbol": "BTCUSDT"}, "already exists"),
        ({"taker_fee_rate": Decimal(1)}, "Fee rates are shares"),
    ],
)
def test_an_instrument_that_breaks_a_rule_is_not_listed(
    btc: Instrument, changes: dict[str, Any], complaint: str
) -> None:
    rules = {"symbol": "ETHUSDT", "tick_size": Decimal(1), "lot_size": Decimal(1)}
    with pytest.raises(ExchangeError, match=f"invalid_instrument: .*{complaint}"):
        list_instrument(reason="A test", base_asset="ETH", **{**rules, **changes})


def test_halting_is_kept_in_the_history_and_leaves_the_mark_alone(btc: Instrument) -> None:
    mark(btc, "65000")
    halt_instrument(reason="A test", instrument=btc)
    assert Instrument.objects.get().halted
    resume_instrument(reason="A test", instrument=btc)
    now = Instrument.objects.get()
    assert (now.halted, now.mark_price) == (False, Decimal(65000))
    assert [row.halted for row in btc.history.order_by("history_id")] == [False, True, False]
