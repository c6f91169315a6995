"""Reads of the trading app."""

from datetime import datetime
from typing import Final

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import F, Prefetch, QuerySet

from accounts.models import Account
from accounts.selectors import account_of
from market.kernel.endless import IsAnyOf
from market.kernel.errors import Forbidden
from market.kernel.states import TradingState
from market.models import Instrument
from market.selectors import listed_as, state_by_staff
from risk.selectors import get_policy
from trading.errors import OrderNotFound
from trading.models import OPEN_STATUSES, Kill, Liquidation, Order, ParkedAnswer, Trade

#: Of parked answers so many are looked at together.
MOST_PARKED: Final = 100


def orders_of(*, user_id: int | None) -> QuerySet[Order]:
    """Return orders with their account, of one user or (None) of all."""
    orders = Order.objects.select_related("account")
    return orders if user_id is None else orders.filter(account=account_of(user_id))


def orders_named(client_order_id: str, *, user_id: int | None) -> QuerySet[Order]:
    """Return the orders that were given a name: one of a user's at most, or (None) of anybody's.

    Names are indexed by account: of all accounts each is looked into, however many orders it has.
    """
    named = orders_of(user_id=user_id).filter(client_order_id=client_order_id)
    if user_id is not None:
        return named
    accounts = ArraySubquery(Account.objects.values("pk"))
    return named.filter(IsAnyOf(F("account_id"), accounts))


def get_order(*, order_id: int, user_id: int | None) -> Order:
    """Return one order, for its owner or (``user_id`` None) for staff.

    Raises OrderNotFound, Forbidden.
    """
    order = orders_of(user_id=None).filter(pk=order_id).first()
    if order is None:
        raise OrderNotFound
    if user_id is not None and order.account.user_id != user_id:
        raise Forbidden
    return order


def open_orders_of(*, user_id: int, symbol: str | None = None) -> QuerySet[Order]:
    """Return the open orders of a user on all venues, as they were accepted."""
    orders = orders_of(user_id=user_id).filter(status__in=OPEN_STATUSES).order_by("id")
    return orders if symbol is None else orders.filter(symbol=symbol)


def trades_of(*, user_id: int | None) -> QuerySet[Trade]:
    """Return trades with account and instrument, of one user or (None) of all."""
    trades = Trade.objects.select_related("account", "instrument")
    return trades if user_id is None else trades.filter(account=account_of(user_id))


def liquidations_of(*, user_id: int | None) -> QuerySet[Liquidation]:
    """Return liquidations with their trades, of one user or (None) of all."""
    trades = Trade.objects.select_related("account", "instrument").order_by("id")
    liquidations = Liquidation.objects.select_related("account").prefetch_related(
        Prefetch("trades", queryset=trades)
    )
    if user_id is None:
        return liquidations
    return liquidations.filter(account=account_of(user_id))


def liquidations_in(symbol: str) -> QuerySet[Trade, int | None]:
    """Return the ids of the liquidations that closed a position in an instrument."""
    trades = Trade.objects.filter(instrument=listed_as(symbol), liquidation__isnull=False)
    return trades.order_by().values_list("liquidation_id", flat=True)


def parked_answers_waiting() -> int:
    """Return how many answers of a venue wait for staff; beyond MOST_PARKED nobody counts."""
    return ParkedAnswer.objects.filter(settled_at=None)[:MOST_PARKED].count()


def parked_answers_since(moment: datetime) -> list[ParkedAnswer]:
    """Return the answers of a venue that wait for staff, and those settled since a moment.

    Of either only the first hundred: the others have their turn when those are settled.
    """
    waiting = ParkedAnswer.objects.filter(settled_at=None).order_by("id")[:MOST_PARKED]
    settled = ParkedAnswer.objects.filter(settled_at__gt=moment).order_by("-id")[:MOST_PARKED]
    return [*waiting, *settled]


def unfinished_kills(*, most: int) -> list[Kill]:
    """Return kills that left orders, newest first; one whose state was loosened is none of them."""
    acts = Kill.objects.filter(finished_at=None).select_related("account__user", "instrument")
    return list(acts[:most])


def state_held(*, account: Account | None, instrument: Instrument | None) -> TradingState:
    """Return the state that staff have set for an account or an instrument, or for everybody."""
    if account is not None:
        return account.state
    if instrument is not None:
        return state_by_staff(instrument=instrument)
    return get_policy().trading_state
