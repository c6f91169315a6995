"""One HTTP exchange with the venue: sends it at most once and judges what became of it.

Keeps the pauses that the venue asks for and the caller's deadline, reads no answer without end,
and lets nothing of a request into an error or a log.
"""

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Never
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError, NewConnectionError
from urllib3.util import Timeout

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
from market.kernel.whole_answers import whole_answer_session

#: Seconds to wait after a 429 or 418 that does not say: the interval of the weight limit.
REQUEST_PAUSE: Final = 60
#: Seconds to wait after too many orders, an answer that never says: the limit's interval.
ORDER_PAUSE: Final = 10
#: The longest pause that the venue documents, a ban of three days; nobody is made to wait longer.
LONGEST_PAUSE: Final = 3 * 24 * 3600
#: Bytes of the largest answer that is read: many times what the venue sends to what is asked here.
LARGEST_ANSWER: Final = 4 * 1024 * 1024
#: The venue's error codes have four digits.
WIDEST_CODE: Final = 1_000_000
#: Characters that are kept of what the venue says of an error.
LONGEST_MESSAGE: Final = 200


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


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer that was read to its end."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class Transport:
    """Sends requests to one venue; threads may share it, processes may not.

    ``timeouts`` are seconds to connect and for the whole answer. ``clock`` gives seconds. Raises
    ValueError for a base URL that is none.
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
        self._clock = clock
        self._session = whole_answer_session()
        self._requests_pause, self._orders_pause = Pause(clock), Pause(clock)

    def send(self, request: Request, *, deadline: float = math.inf) -> Any:
        """Return the JSON of the answer; when ``deadline`` has passed, nothing is sent any more.

        Raises VenueUnavailable, VenueRateLimited, VenueRejected, and for POST and DELETE
        OrderFateUnknown.
        """
        self._respect_pauses(request)
        return self._judge(request, self._exchange(request, self._timeout(deadline)))

    def _timeout(self, deadline: float) -> Timeout:
        """Return what a request may take until ``deadline``. Raises VenueUnavailable."""
        left = deadline - self._clock()
        if left <= 0:
            raise VenueUnavailable("The venue was not reached in time; nothing was sent.")
        connect, read = self._timeouts
        return Timeout(total=min(connect + read, left), connect=connect, read=read)

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

    def _exchange(self, request: Request, timeout: Timeout) -> HttpAnswer:
        failure: VenueError
        in_body = request.places_order
        query = f"?{request.parameters}" if request.parameters and not in_body else ""
        try:
            with self._session.request(
                request.method,
                f"{self._base_url}{request.path}{query}",
                data=request.parameters if in_body else None,
                headers=headers(request),
                timeout=timeout,  # type: ignore[arg-type]
                allow_redirects=False,
                stream=True,
            ) as response:
                return HttpAnswer(response.status_code, response.headers, read(response))
        except (requests.RequestException, HTTPError, AnswerTooLarge) as error:
            # Raised below, outside the handler: the error at hand knows the signed request.
            sent = was_sent(error)
            failure = unanswered(request) if sent else VenueUnavailable("The venue is not reached.")
        raise failure

    def _judge(self, request: Request, response: HttpAnswer) -> Any:
        http_status = response.status
        body = parse_json(response.content)
        if 200 <= http_status < 300 and body is not None:
            return body
        venue_code, message = error_of(body, http_status)
        if http_status in (418, 429):
            self._pause(response, venue_code, message)
        timed_out = http_status == 408 or venue_code in FATE_UNKNOWN_CODES
        unclear = request.changes_orders and timed_out
        if 400 <= http_status < 500 and not unclear:
            raise rejection(venue_code=venue_code, message=message, http_status=http_status)
        raise unanswered(request, venue_code=venue_code, http_status=http_status)

    def _pause(self, response: HttpAnswer, venue_code: int | None, message: str) -> Never:
        too_many_orders = venue_code == TOO_MANY_ORDERS
        told = response.headers.get("Retry-After", "").strip()
        fallback = ORDER_PAUSE if too_many_orders else REQUEST_PAUSE
        seconds = min(int(told[:9]), LONGEST_PAUSE) if told.isdecimal() else fallback
        (self._orders_pause if too_many_orders else self._requests_pause).extend(seconds)
        raise VenueRateLimited(
            message,
            venue_code=venue_code,
            http_status=response.status,
            retry_after=seconds,
        )


def headers(request: Request) -> Mapping[str, str]:
    """Return the headers of a request."""
    fields = {"Accept-Encoding": "identity"}
    if request.api_key:
        fields["X-MBX-APIKEY"] = request.api_key
    if request.places_order:
        fields["Content-Type"] = "application/x-www-form-urlencoded"
    return fields


class AnswerTooLarge(Exception):
    """An answer goes on beyond what is read."""


def read(response: requests.Response) -> bytes:
    """Return the body as it was sent. Raises AnswerTooLarge."""
    content = bytearray()
    for part in response.raw.stream(65536, decode_content=False):
        content += part
        if len(content) > LARGEST_ANSWER:
            raise AnswerTooLarge
    return bytes(content)


def was_sent(error: Exception) -> bool:
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


def parse_json(content: bytes) -> Any:
    """Return the body, None when it is no JSON or nested without end."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def error_of(body: Any, http_status: int) -> tuple[int | None, str]:
    """Return code and message of an error answer."""
    code = body.get("code") if isinstance(body, dict) else None
    message = body.get("msg") if isinstance(body, dict) else None
    return (
        code if isinstance(code, int) and abs(code) < WIDEST_CODE else None,
        printable(message)
        if isinstance(message, str)
        else f"The venue answered with status {http_status}.",
    )


def printable(text: str) -> str:
    """Return what can be stored and shown of a text of the venue."""
    shown = (character if character.isprintable() else " " for character in text[:LONGEST_MESSAGE])
    return "".join(shown)
