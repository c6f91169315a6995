"""The ledger check finds whatever does not follow from history."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from risk.models import RiskPolicy
from tests.each import each
from tests.trading.conftest import Marks, Trader, order


@pytest.fixture
def history(trader: Trader, marks: Marks) -> None:
    """Two accounts that traded, one of which has a resting order; the throttle counts."""
    RiskPolicy.objects.update(max_fills=9)
    user = trader("10000")
    order(user, "buy", "0.5")
    order(user, "sell", "0.1")
    order(user, "buy", "0.1", price="60000")
    order(trader("10000"), "sell", "0.1")
    marks(BTCUSDT="65100")


@contextmanager
def damaged(statement: str) -> Iterator[None]:
    """Run a statement past the guards, and undo it at the end of the block."""
    with connection.cursor() as cursor:
        cursor.execute("SAVEPOINT sound; SET LOCAL session_replication_role = replica")
        cursor.execute(statement)
        yield
        cursor.execute("ROLLBACK TO SAVEPOINT sound")


@each(
    ("damage", "what"),
    [
        ("UPDATE accounts_account SET balance = balance + 1 WHERE kind = 'user'", "balance of"),
        ("DELETE FROM accounts_transfer WHERE kind = 'deposit'", "balance of"),
        ("UPDATE trading_trade SET realized_pnl = realized_pnl + 1", "Realised P&L of account"),
        ("UPDATE trading_trade SET fee = fee + 1", "Trading fee of account"),
        (
            "UPDATE trading_trade SET fill_number = 3 WHERE fill_number = 2",
            "fill number of account",
        ),
        ("UPDATE trading_trade SET fill_number = fill_number + 7", "fill number of account"),
        (
            "SET CONSTRAINTS ALL IMMEDIATE; DROP INDEX trade_fill_number_once_per_account;"
            " UPDATE trading_trade SET fill_number = 1 WHERE fill_number = 2",
            "fill number of account",
        ),
        (
            "UPDATE accounts_account SET fills_before = 3 WHERE kind = 'user'",
            "fills before of account",
        ),
        ("UPDATE risk_position SET margin = margin + 1", "position of account"),
        ("UPDATE risk_position SET quantity = quantity * 2, cost = cost * 2", "position of"),
        ("UPDATE risk_reservation SET reserved_margin = 0", "reserved_margin of account"),
        ("UPDATE risk_reservation SET reserved_notional = 0", "reserved_notional of account"),
        ("UPDATE risk_instrumentexposure SET long_quantity = 9", "long_quantity of instrument"),
        ("UPDATE risk_instrumentexposure SET short_quantity = 9", "short_quantity of instrument"),
        ("UPDATE risk_instrumentexposure SET order_notional = 9", "order_notional of instrument"),
        ("UPDATE risk_globalexposure SET total = total + 0.00000001", "global exposure"),
        ("UPDATE risk_instrumentexposure SET mark_price = 1", "mark of instrument"),
        ("UPDATE accounts_systembalance SET balance = balance + 1", "balance of the Insurance"),
        ("UPDATE accounts_systembalance SET balance = balance - 1", "balance of the Bad debt"),
        (
            "INSERT INTO accounts_transfer (kind, debit_account_id, credit_account_id, amount,"
            " reference, reason, created_at) SELECT 'insurance_cover', i.id, u.id, 5, '', '', now()"
            " FROM accounts_account i, accounts_account u"
            " WHERE i.kind = 'insurance' AND u.kind = 'external'",
            "insurance fund",
        ),
    ],
)
def test_damage_is_found(history: None, damage: str, what: str) -> None:
    told = StringIO()
    with damaged(damage), pytest.raises(CommandError, match="difference"):
        call_command("check_ledger", stderr=told)
    found = told.getvalue().splitlines()
    assert any(line.startswith(what) for line in found), found


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE accounts_account SET balance = balance + 1 WHERE kind = 'user'",
        "INSERT INTO accounts_account (kind, user_id, balance, suspended, created_at)"
        " SELECT 'user', max(id) + 1, 5, false, now() FROM accounts_user",
    ],
)
def test_no_balance_changes_without_a_transfer(trader: Trader, statement: str) -> None:
    from django.db import IntegrityError, transaction

    trader("10000")
    with (
        pytest.raises(IntegrityError, match="only by a transfer"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
