"""A market step reaches every order, however many rest at its price."""

from decimal import Decimal
from typing import Final

from django.db import connection

from market.models import Instrument
from tests.trading.conftest import Trader, clean_ledger, market, order, trader
from tests.trading.orders.test_resting import reach
from trading.orders.resting import reached_orders

__all__ = ["clean_ledger", "market", "trader"]

D = Decimal

PARK: Final = """
INSERT INTO trading_order (account_id, instrument_id, symbol, fingerprint, side, type, size,
    price, leverage, reduce_only, liquidation, status, reject_code, reject_detail, filled_size,
    required_margin, reserved_margin, reserved_notional, venue, accepted_as, created_at, updated_at)
SELECT account_id, instrument_id, symbol, '', side, type, size, price, leverage, reduce_only,
    liquidation, status, '', '', 0, 0, 0, 0, venue, accepted_as, created_at, updated_at
FROM trading_order CROSS JOIN generate_series(2, 66000) WHERE reduce_only
"""


def test_a_step_reaches_more_orders_than_a_statement_has_parameters(trader: Trader) -> None:
    user = trader("10000")
    order(user, "buy", "0.5")
    placed = order(user, "sell", "0.001", price="70000", reduce_only=True)
    with connection.cursor() as cursor:
        cursor.execute(PARK)
    reach(placed, "70000")
    assert Instrument.objects.get(symbol="BTCUSDT").mark_price == D("70000")
    assert reached_orders().count() == 66_000
