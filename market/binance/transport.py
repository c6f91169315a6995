"""One HTTP exchange with the venue: sends it at most once and judges what became of it.

Keeps the pauses that the venue asks for, and lets nothing of a request into an error or a log.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Never
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import NewConnectionError

from market.binance.errors import (
    FATE_UNKNOWN_CODES,
    TOO_MANY_ORDERS,
    OrderFateUnknown,
    VenueError,
    VenueRateLimited,
    VenueUnavailable,
    rejection,
)
from market.binance.pause import Pause
from market.binance.signing import hide_signatures

#: Seconds to wait after a 429 or 418 that does not say: the interval of the weight limit.
REQUEST_PAUSE: Final = 60
#: Seconds to wait after too many orders, an answer that never says: the limit's interval.
ORDER_PAUSE: Final = 10


@dataclass(frozen=True, slots=True)
class Request:
    """A request whose parameters are encoded, and signed where they must be."""

    method: Literal["GET", "POST", "DELETE"]
    path: str
    parameters: str = field(default="", repr=False)
    api_key: str = field(default="", repr=False)

    @property
    def changes_orders(self) -> bool:
        return self.method != "GET"

    @property
    def places_order(self) -> bool:
        return self.method == "POST"


class Transport:
    """Sends requests to one venue; threads may share it, processes may not.

    ``timeouts`` are seconds to connect and to wait for bytes of an answer. ``clock`` gives seconds.
    Raises ValueError for a base URL that is none.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeouts: tuple[float, float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        address = urlsplit(base_url)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise ValueError("The base URL of the venue must be http(s)://host.")
        hide_signatures()
        self._base_url = base_url.rstrip("/")
        self._timeouts = timeouts
        self._session = requests.Session()
        self._requests_pause, self._orders_pause = Pause(clock), Pause(clock)

    def send(self, request: Request) -> Any:
        """Return the JSON of the answer.

        Raises VenueUnavailable, VenueRateLimited, VenueRejected, and for POST and DELETE
        OrderFateUnknown.
        """
        self._respect_pauses(request)
        return self._judge(request, self._exchange(request))

    def _respect_pauses(self, request: Request) -> None:
        pauses = [self._requests_pause]
        if request.places_order:
            pauses.append(self._orders_pause)
        seconds = max(pause.remaining() for pause in pauses)
        if seconds:
            raise VenueRateLimited(
                f"The venue asked for a pause; try again in {seconds} seconds.",
                retry_after=seconds,
            )

    def _exchange(self, request: Request) -> requests.Response:
        failure: VenueError
        in_body = request.places_order
        query = f"?{request.parameters}" if request.parameters and not in_body else ""
        try:
            return self._session.request(
                request.method,
                f"{self._base_url}{request.path}{query}",
                data=request.parameters if in_body else None,
                headers=headers(request),
                timeout=self._timeouts,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            # Raised below, outside the handler: the error at hand knows the signed request.
            sent = was_sent(error)
            failure = unanswered(request) if sent else VenueUnavailable("The venue is not reached.")
        raise failure

    def _judge(self, request: Request, response: requests.Response) -> Any:
        http_status = response.status_code
        body = parse_json(response)
        if 200 <= http_status < 300 and body is not None:
            return body
        venue_code, message = error_of(body, http_status)
        if http_status in (418, 429):
            self._pause(response, venue_code, message)
        unclear = request.changes_orders and venue_code in FATE_UNKNOWN_CODES
        if 400 <= http_status < 500 and not unclear:
            raise rejection(venue_code=venue_code, message=message, http_status=http_status)
        raise unanswered(request, venue_code=venue_code, http_status=http_status)

    def _pause(self, response: requests.Response, venue_code: int | None, message: str) -> Never:
        too_many_orders = venue_code == TOO_MANY_ORDERS
        told = response.headers.get("Retry-After", "").strip()
        fallback = ORDER_PAUSE if too_many_orders else REQUEST_PAUSE
        seconds = int(told) if told.isdecimal() else fallback
        (self._orders_pause if too_many_orders else self._requests_pause).extend(seconds)
        raise VenueRateLimited(
            message,
            venue_code=venue_code,
            http_status=response.status_code,
            retry_after=seconds,
        )


def headers(request: Request) -> Mapping[str, str]:
    """Return the headers of a request."""
    fields = {"X-MBX-APIKEY": request.api_key} if request.api_key else {}
    if request.places_order:
        fields["Content-Type"] = "application/x-www-form-urlencoded"
    return fields


def was_sent(error: requests.RequestException) -> bool:
    """Tell whether the venue may have received the request; what is unclear counts as sent."""
    if isinstance(error, requests.ConnectTimeout | requests.exceptions.ProxyError):
        return False
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return not isinstance(reason, NewConnectionError)


def unanswered(
    request: Request, *, venue_code: int | None = None, http_status: int | None = None
) -> VenueError:
    """Return the error for a request that brought no clear answer."""
    if request.changes_orders:
        return OrderFateUnknown(
            "No clear answer came back from the venue; ask for the order before anything else.",
            venue_code=venue_code,
            http_status=http_status,
        )
    return VenueUnavailable(
        "The venue did not answer; try again later.", venue_code=venue_code, http_status=http_status
    )


def parse_json(response: requests.Response) -> Any:
    """Return the body, None when it is no JSON."""
    try:
        return json.loads(response.content)
    except ValueError:
        return None


def error_of(body: Any, http_status: int) -> tuple[int | None, str]:
    """Return code and message of an error answer."""
    code = body.get("code") if isinstance(body, dict) else None
    message = body.get("msg") if isinstance(body, dict) else None
    return (
        code if isinstance(code, int) else None,
        message if isinstance(message, str) else f"The venue answered with status {http_status}.",
    )
