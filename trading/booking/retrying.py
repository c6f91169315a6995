"""Decides again when a market step moved the mark price between a decision and its booking."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from trading.booking.pipeline import MarkMoved

P = ParamSpec("P")
R = TypeVar("R")

#: A market step takes far longer than a decision; so many in a row mean that something is wrong.
MOST_ATTEMPTS = 20


def until_mark_holds(decide: Callable[P, R]) -> Callable[P, R]:
    """Call a transaction again as long as it ends in MarkMoved."""

    @wraps(decide)
    def decide_again(*args: P.args, **kwargs: P.kwargs) -> R:
        for _ in range(MOST_ATTEMPTS - 1):
            try:
                return decide(*args, **kwargs)
            except MarkMoved:
                continue
        return decide(*args, **kwargs)

    return decide_again
