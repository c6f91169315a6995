"""Refusals of the market app."""

from market.kernel.errors import Conflict, ExchangeError, NotFound


class UnknownSymbol(NotFound):
    """No instrument is listed under this symbol."""

    code = "unknown_symbol"
    detail = "No instrument is listed under this symbol."


class NoPrice(NotFound):
    code = "no_price"
    detail = "This instrument has no mark price yet; wait for a market step."


class InvalidInstrument(ExchangeError):
    code = "invalid_instrument"


class CoarserStep(ExchangeError):
    code = "coarser_step"
    detail = (
        "A step may only be divided, since orders and positions are multiples of the present one; "
        "list another instrument for coarser steps."
    )


class InvalidMark(ExchangeError):
    code = "invalid_price"


class AlreadyReleased(Conflict):
    code = "already_released"
    detail = "Somebody has released this instrument already."


class ReplayError(Exception):
    """A file of candles cannot be used; says where and why."""
