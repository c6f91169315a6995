"""Refusals of the trading app."""

from collections.abc import Mapping

from market.kernel.errors import Conflict, ExchangeError, NotFound
from risk.denials import Denial


class OrderRejected(ExchangeError):
    """An order failed a check and is stored as REJECTED; ``code`` names the check."""

    def __init__(
        self, denial: Denial, *, order_id: int, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(denial.detail, code=denial.code, order_id=order_id)
        self.headers = headers or {}


class ClientOrderIdConflict(Conflict):
    code = "client_order_id_conflict"
    detail = "This client_order_id was used for another order; choose a new one."


class OrderNotFound(NotFound):
    code = "order_not_found"
    detail = "There is no order with this id."


class OrderNotOpen(ExchangeError):
    code = "order_not_open"
    detail = "The order is not open any more."


class OrderPending(Conflict):
    code = "order_pending"
    detail = "The venue has not told yet what became of the order; try again in some seconds."


class OrderNotPlaced(ExchangeError):
    """A fault of ours met one order of several; nothing of it is stored."""

    status = 503
    code = "order_not_placed"
    detail = "The order was not placed: a fault was logged. Place it again."


class AlreadySettled(Conflict):
    code = "already_settled"
    detail = "Somebody has settled this answer already."


class NotSettledSo(ExchangeError):
    """A parked answer cannot be settled as staff entered it."""

    code = "not_settled_so"


class StepNotEnded(ExchangeError):
    code = "step_not_ended"
    detail = "That step has not ended yet; `step` is the last one that has."


class AgentsMissing(ExchangeError):
    """A replay waits for agents in vain; says whom."""

    code = "agents_missing"


class MarketBusy(Conflict):
    code = "market_busy"
    detail = "Another market step is still running; try again."


class NotEmpty(ExchangeError):
    code = "not_empty"
    detail = "A history needs an empty exchange: start on another LOCAL_DIR or database."
