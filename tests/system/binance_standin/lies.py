"""Answers that differ from the true one in some fields."""

from decimal import Decimal
from typing import Any, Final

from tests.system.binance_standin.faults import Answer, Lie

ABSENT: Final = Answer(400, {"code": -2013, "msg": "Order does not exist."})


def saying(**changes: Any) -> Lie:
    """The true answer but for these fields."""
    return Lie(lambda body: {**body, **changes})


def filling(**changes: Any) -> Lie:
    """The true answer but for these fields of each fill."""
    return Lie(lambda body: {**body, "fills": [{**fill, **changes} for fill in body["fills"]]})


def listing(**changes: Any) -> Lie:
    """The true list of trades but for these fields of each."""
    return Lie(lambda trades: [{**trade, **changes} for trade in trades])


def twice(body: dict[str, Any]) -> dict[str, Any]:
    """The one fill of an answer as two halves with one number."""
    [fill] = body["fills"]
    half = {**fill, "qty": str(Decimal(fill["qty"]) / 2)}
    return {**body, "fills": [half, half]}
