"""What is written is written whole: behind a guard that fails no COMMIT runs."""

from contextlib import closing
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.locks import lock_account
from accounts.models import Account, Transfer, TransferKind, User
from market.models import Instrument
from risk.exposure import ExposureChange
from risk.models import GlobalExposure, InstrumentExposure
from risk.selectors import read_risk_state
from tests.trading.conftest import Trader, order
from trading.booking.changes import AccountChanges
from trading.booking.pipeline import GlobalExposureExceeded, MarkMoved
from trading.booking.writing import booking
from trading.models import Liquidation, Order

D = Decimal

pytestmark = pytest.mark.django_db(transaction=True)


def changes_of(user: User, market: dict[str, Instrument], mark: str) -> AccountChanges:
    """Return a transfer of 5 USDT and an opening of 0.1 BTC decided at a mark."""
    account_id = user.account.pk
    changes = AccountChanges(read_risk_state(account_id=account_id).account, timezone.now())
    changes.post(TransferKind.FEE, D(-5), Liquidation(pk=1))
    opening = ExposureChange(order_notional=D(6500))
    changes.exposures.add(market["BTC"].pk, D(mark), opening)
    changes.exposures.note_opening()
    return changes


@pytest.mark.parametrize(
    ("mark", "threshold", "refusal"),
    [("65001", 10_000, MarkMoved), ("65000", 6_499, GlobalExposureExceeded)],
)
def test_nothing_is_kept_where_a_guard_fails(
    trader: Trader,
    market: dict[str, Instrument],
    mark: str,
    threshold: int,
    refusal: type[Exception],
) -> None:
    user = trader()
    with pytest.raises(refusal), booking() as write:
        write(changes_of(user, market, mark), threshold=D(threshold))
    assert not Transfer.objects.filter(kind=TransferKind.FEE).exists()
    assert Account.objects.get(user=user).balance == 10_000
    assert GlobalExposure.objects.get().total == 0
    assert set(InstrumentExposure.objects.values_list("order_notional", flat=True)) == {0}
    with transaction.atomic():  # the connection is fit for the next one
        assert not connection.needs_rollback


def test_a_refused_booking_locks_nothing_and_its_connection_is_fit(
    trader: Trader, market: dict[str, Instrument]
) -> None:
    """What follows the refused statement, the COMMIT among it, is not left to the next booking."""
    user = trader()
    changes = changes_of(user, market, "65000")
    changes.transfers[0]["credit_account_id"] = -1

    def book() -> None:
        with booking() as write:
            lock_account(user_id=user.pk)
            write(changes, threshold=D(10_000))

    with pytest.raises(IntegrityError):
        book()
    assert connection.connection is None or not connection.connection.pgconn.pipeline_status
    with closing(connection.copy()) as other, other.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM accounts_account WHERE user_id = %s FOR UPDATE NOWAIT", [user.pk]
        )
    order(user, "buy", "0.1")
    assert Order.objects.count() == 1


def test_foreign_keys_are_checked_before_others_have_to_wait(market: dict[str, Instrument]) -> None:
    """At the commit they would be checked while the shared rows are locked."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO risk_reservation (account_id, reserved_margin, reserved_notional) "
            "VALUES (-1, 0, 0)"
        )
        with pytest.raises(IntegrityError):
            cursor.execute("SELECT move_exposure('[]', 0, NULL, 0)")
        transaction.set_rollback(True)
