"""Orders as clients hand them in, and what an earlier order with the same client_order_id got."""

import hashlib
import json
from dataclasses import asdict, dataclass
from decimal import Decimal

from django.db.models import F

from market.kernel.amounts import plain
from market.kernel.errors import ExchangeError
from risk.denials import Denial
from risk.engine import Intent
from trading.errors import ClientOrderIdConflict
from trading.models import OPEN_STATUSES, Order, OrderStatus, Side


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a client asks for, under a name of its own (``client_order_id``) or none.

    ``idle_price`` is a price beside a market order, which means nothing, but was asked for.
    """

    intent: Intent
    client_order_id: str | None = None
    idle_price: Decimal | None = None

    @property
    def fingerprint(self) -> str:
        """A digest that is equal for intents that mean the same (0.1 and 0.10, say).

        Empty without a client_order_id: such an order is never compared.
        """
        if self.client_order_id is None:
            return ""
        asked = asdict(self.intent)
        if not self.intent.closes:
            del asked["closes"]  # as before there was such an order
        if self.idle_price is not None:
            asked["idle_price"] = self.idle_price
        meant = {
            name: plain(value) if isinstance(value, Decimal) else value
            for name, value in asked.items()
        }
        return hashlib.sha256(json.dumps(meant, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Placement:
    """An order with its first answer; ``replayed`` when an earlier call placed it."""

    order: Order
    denial: Denial | None = None
    replayed: bool = False


#: What became of a ticket; an error where there is no order of it.
Outcome = Placement | ExchangeError

#: What makes two orders of an account equal: symbol, side, size and limit, None at market.
Twin = tuple[str, bool, Decimal, Decimal | None]


def twin_of(intent: Intent) -> Twin:
    return intent.symbol, intent.is_buy, intent.size, intent.price


def side_of(intent: Intent) -> Side:
    return Side.BUY if intent.is_buy else Side.SELL


def answer_first(order_id: int) -> Placement:
    """Keep where an order of a venue stands now as what its client is told first, and return it."""
    untold = Order.objects.filter(pk=order_id, accepted_as=OrderStatus.PENDING_NEW)
    untold.update(
        accepted_as=F("status"),
        answered_filled_size=F("filled_size"),
        answered_average_price=F("average_price"),
    )
    return first_answer_of(Order.objects.select_related("account").get(pk=order_id))


def first_answer_of(order: Order) -> Placement:
    """Return the answer that a stored order got when it was placed; in memory only."""
    if order.accepted_as in OPEN_STATUSES:  # What ended it, and why, came later.
        order.reject_code = order.reject_detail = ""
    order.status = order.accepted_as
    order.filled_size = order.answered_filled_size
    order.average_price = order.answered_average_price
    refused = order.status == OrderStatus.REJECTED
    return Placement(order, Denial(order.reject_code, order.reject_detail) if refused else None)


def repeat(earlier: Placement, ticket: Ticket) -> Outcome:
    """Return the first answer again, or a conflict where the name stands for another order."""
    if earlier.order.fingerprint != ticket.fingerprint:
        return ClientOrderIdConflict(order_id=earlier.order.pk)
    return Placement(earlier.order, earlier.denial, replayed=True)
