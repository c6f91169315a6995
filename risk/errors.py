"""Refusals of the risk app, beside the denials of orders."""

from market.kernel.errors import NotFound


class PositionNotFound(NotFound):
    code = "position_not_found"
    detail = "There is no position with this id."
