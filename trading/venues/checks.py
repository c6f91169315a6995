"""The check of an order that goes to another venue, where it may fill at any time from now on.

It counts as resting, beside the other open orders of its account as well: it reserves for its whole
size, unless it can only reduce. Otherwise orders
in flight could each close the same position and together open another one without margin.
"""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Final

from django.db.models import F, Sum

from market.kernel.amounts import ZERO, plain
from risk.denials import Denial
from risk.engine import Approval, Candidate, Intent, check_order, check_resting
from risk.execution import reducible_size
from risk.state import RiskState
from trading.models import OPEN_STATUSES, Order, Side, Venue

STANDS_AGAINST: Final = (
    "Of the position, {size} can still be reduced at the venue; ask for no more than that."
)


def check_for_venue(intent: Intent, state: RiskState, now: datetime) -> Approval | Denial:
    """Hold an order against every rule; one that would fill at once is valued at the higher price.

    That is its limit or the mark: a sale may fill above its limit.
    """
    decision = check_order(intent, state, now, goes_out=True)
    if isinstance(decision, Denial):
        return decision
    left = reducible(intent, state) if intent.reduce_only else intent.size
    if left < intent.size:
        return Denial("reduce_only_rejected", STANDS_AGAINST.format(size=plain(max(left, ZERO))))
    if decision.execution is None:
        return decision
    candidate = Candidate(intent, state, now, goes_out=True)
    return check_resting(replace(candidate, intent=replace(intent, price=candidate.price)))


def reducible(intent: Intent, state: RiskState) -> Decimal:
    """Return how much of the position no reduce-only order at the venue stands against yet."""
    assert state.instrument is not None
    instrument_id = state.instrument.id
    standing = Order.objects.filter(
        account_id=state.account.account_id,
        instrument_id=instrument_id,
        side=Side.BUY if intent.is_buy else Side.SELL,
        reduce_only=True,
        venue=Venue.BINANCE_TESTNET,
        status__in=OPEN_STATUSES,
    ).aggregate(size=Sum(F("size") - F("filled_size")))["size"]
    held = reducible_size(state.account.holding(instrument_id), intent.signed(intent.size))
    return held - (standing or ZERO)
