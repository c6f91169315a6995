"""Parks answers of a venue that do not fit their order, until staff settle them.

A parked order stays as it is, with its reservation: nobody fills, ends or cancels it meanwhile.
"""

from decimal import Decimal
from typing import Final

import structlog
from django.db.models import Exists, Max, OuterRef
from django.utils import timezone

from market.kernel.amounts import plain
from trading.models import Order, ParkedAnswer
from trading.venues.verification import Answer

log = structlog.get_logger(__name__)

LONGEST_COMPLAINT: Final = 200
#: What the column holds of an absurd quantity.
LARGEST_QUANTITY: Final = Decimal(10**18)

#: Whether an order of a query is parked.
IS_PARKED: Final = Exists(ParkedAnswer.objects.filter(order=OuterRef("pk"), settled_at=None))


def is_parked(order: Order) -> bool:
    return ParkedAnswer.objects.filter(order=order, settled_at=None).exists()


def park(order: Order, answer: Answer, complaint: str) -> None:
    """Keep an answer for staff, under the lock of the order's account."""
    executed = min(answer.executed, LARGEST_QUANTITY)
    ParkedAnswer.objects.create(
        order=order,
        complaint=complaint[:LONGEST_COMPLAINT],
        answer=answer.words,
        executed_quantity=executed,
        parked_at=timezone.now(),
    )
    log.error("venue_answer_parked", order_id=order.pk, complaint=complaint)


def park_late_fill(order: Order, answer: Answer) -> None:
    """Park what the venue filled of an order that has ended here, once for each such quantity."""
    executed = min(answer.executed, LARGEST_QUANTITY)
    if executed <= looked_at(order) or is_parked(order):
        return
    park(
        order,
        answer,
        f"It filled {plain(executed)}; the order had ended with {plain(order.filled_size)} filled.",
    )


def looked_at(order: Order) -> Decimal:
    """Return how much of an order is booked, or was parked before."""
    parked = ParkedAnswer.objects.filter(order=order).aggregate(most=Max("executed_quantity"))
    return max(order.filled_size, parked["most"] or order.filled_size)
