"""What can go wrong at the venue, and the one place that turns its error codes into types.

Every type says whether an order may have been placed: after OrderFateUnknown it may, after any
other it was not.
"""

from collections.abc import Mapping
from typing import Final

from market.kernel.errors import ExchangeError

FILTER_FAILURE: Final = "Filter failure: "


class VenueError(ExchangeError):
    """A call to the venue that brought no result.

    ``venue_code`` and ``message`` are the venue's own words, ``http_status`` its HTTP status; None
    where it said nothing. ``retry_after`` is a number of seconds. Nothing of the request is kept:
    it carries the signature.
    """

    status = 502
    code = "venue_error"

    def __init__(
        self,
        message: str,
        *,
        venue_code: int | None = None,
        http_status: int | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        if venue_code is not None:
            self.context["venue_code"] = venue_code
        self.message = message
        self.venue_code = venue_code
        self.http_status = http_status
        self.retry_after = retry_after
        if retry_after is not None:
            self.headers = {"Retry-After": str(retry_after)}


class VenueUnavailable(VenueError):
    """The venue was not reached, or did not answer a question: nothing was placed or canceled."""

    status = 503
    code = "venue_unavailable"


class VenueRateLimited(VenueError):
    """The venue asks to be left alone for ``retry_after`` seconds; the request was not processed.

    Without an ``http_status`` the client itself held the request back.
    """

    status = 503
    code = "venue_rate_limited"


class OrderFateUnknown(VenueError):
    """The request went out and no clear answer came back: ask for the order by its client id.

    NoSuchOrder is final only when recvWindow has passed since the request; never place it again.
    """

    status = 504
    code = "order_fate_unknown"


class CredentialsMissing(VenueError):
    """The call needs a key and a secret of the venue, and the client was given none."""

    status = 400
    code = "venue_credentials_missing"


class VenueRejected(VenueError):
    """The venue refused the request: it had no effect."""

    status = 400
    code = "venue_rejected"


class CredentialsRefused(VenueRejected):
    """The venue does not know the key, or the signature does not fit it."""

    status = 502
    code = "venue_credentials_refused"


class InvalidTimestamp(VenueRejected):
    """The request reached the venue outside recvWindow, or came from its future."""

    status = 502
    code = "venue_invalid_timestamp"


class BadSymbol(VenueRejected):
    """The venue does not list one of the symbols."""

    code = "venue_unknown_symbol"


class FilterFailure(VenueRejected):
    """The order breaks a trading rule of its symbol; ``filter`` is the rule's name."""

    code = "venue_filter_failure"

    @property
    def filter(self) -> str:
        return self.message.removeprefix(FILTER_FAILURE)


class NewOrderRejected(VenueRejected):
    """The matching engine did not accept the order."""

    code = "venue_order_rejected"


class InsufficientVenueBalance(NewOrderRejected):
    """The account at the venue cannot pay for the order."""

    code = "venue_insufficient_balance"


class DuplicateOrder(NewOrderRejected):
    """An order with this client id is open already: ask for it."""

    code = "venue_duplicate_order"


class CancelRejected(VenueRejected):
    """There is no open order to cancel: it may be filled, canceled or unknown; ask for it."""

    code = "venue_cancel_rejected"


class NoSuchOrder(VenueRejected):
    """The venue knows no order with this id."""

    code = "venue_no_such_order"


BY_CODE: Final[Mapping[int, type[VenueRejected]]] = {
    -1002: CredentialsRefused,
    -1021: InvalidTimestamp,
    -1022: CredentialsRefused,
    -1121: BadSymbol,
    -2010: NewOrderRejected,
    -2011: CancelRejected,
    -2013: NoSuchOrder,
    -2014: CredentialsRefused,
    -2015: CredentialsRefused,
}

#: Codes that say of themselves that the execution status is unknown.
FATE_UNKNOWN_CODES: Final = frozenset({-1000, -1001, -1006, -1007})

TOO_MANY_ORDERS: Final = -1015


def rejection(*, venue_code: int | None, message: str, http_status: int) -> VenueRejected:
    """Return the error for a refusal of the venue."""
    return rejection_type(venue_code, message)(
        message, venue_code=venue_code, http_status=http_status
    )


def rejection_type(venue_code: int | None, message: str) -> type[VenueRejected]:
    """Return the type for a code; where one code means several things, the message decides."""
    if message.startswith(FILTER_FAILURE):
        return FilterFailure
    if venue_code == -2010 and message == "Duplicate order sent.":
        return DuplicateOrder
    if venue_code == -2010 and "insufficient balance" in message:
        return InsufficientVenueBalance
    return BY_CODE.get(venue_code or 0, VenueRejected)
