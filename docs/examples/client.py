"""A client of the exchange in one file. It needs requests, and pandas for ``frame`` alone.

    client = Client("beginner-key")
    client.order("BTCUSDT", "buy", "0.1", leverage=5)
    for trade in client.pages("/trades", symbol="BTCUSDT"):
        print(trade["price"], trade["realized_pnl"])
    for event in client.stream("marks", "orders"):
        print(event.name, event.data)

Amounts, prices and sizes come as Decimals, and go out as Decimals, strings or whole numbers.
A client belongs to one thread; give each thread, and each agent, one of its own. ``command_line``
and ``log`` are for programs that trade by themselves, such as agent.py.
"""

import argparse
import contextlib
import itertools
import json
import logging
import math
import os
import re
import sys
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests

log = logging.getLogger("exchange")

#: What sizes are multiples of, in the instruments of the demo.
LOT = Decimal("0.001")
#: So many requests are kept for closing what is open.
KEPT_REQUESTS = 10
AMOUNT = re.compile(r"-?\d+\.\d+", re.ASCII)
#: What may look like an amount and is none.
TEXTS = {"client_order_id", "detail", "reason", "reference", "username"}
#: No answer, or half of one: what was asked for may have been done or not.
LOST = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
#: Why a stream ends that another one goes on from; any other reason ends it for good.
HEALING = {"slow_reader", "token_expired", "server_stopping"}
#: How long a stream may be silent, in seconds; it says something every ten.
SHORTEST_SILENCE, LONGEST_SILENCE = 3, 30
#: How many events a stream knows by their id, so that it tells none twice.
REMEMBERED = 20_000


class Refused(Exception):
    """The exchange said no: ``code`` says why, ``fields`` hold all that it said."""

    def __init__(self, status: int, fields: Mapping[str, Any]) -> None:
        self.status, self.fields, self.code = status, fields, str(fields.get("code", status))
        super().__init__(f"{self.code}: {fields.get('detail')} {fields.get('errors', '')}".strip())


class StreamClosed(Refused):
    """The exchange ended a stream for a reason that connecting anew does not heal."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event of the stream; a later stream goes on behind it from ``id``, where it has one."""

    name: str
    data: dict[str, Any]
    id: str | None = None


class Client:
    """One API key's door to the exchange.

    ``timeout`` is how many seconds an answer may take, ``patience`` how many a call goes on
    trying: it waits where too much was asked for (429), and repeats what can safely be repeated.
    """

    def __init__(
        self,
        api_key: str,
        url: str = "http://127.0.0.1:8000",
        *,
        timeout: float = 10,
        patience: float = 90,
    ) -> None:
        self.url, self.timeout, self.patience = url.rstrip("/"), timeout, patience
        self._api_key, self._token, self._renew_at = api_key, "", 0.0
        self._session = requests.Session()

    def get(self, path: str, **params: Any) -> Any:
        """Return what a path answers: ``get("/market/candles/BTCUSDT", interval="1m")``."""
        return body_of(self._call("GET", path, params=params, repeat=True))

    def account(self, user_id: int | str = "me") -> dict[str, Any]:
        """Return balance, equity, margin and positions."""
        return dict(self.get(f"/account/{user_id}"))

    def pages(self, path: str, **filters: Any) -> Iterator[dict[str, Any]]:
        """Yield the rows of a list, newest first; each page is read when it is reached."""
        while True:
            page = self.get(path, **filters)
            yield from page["results"]
            if page["next"] is None:
                return
            filters = dict(parse_qsl(urlsplit(page["next"]).query))

    def frame(self, rows: str | Iterable[Mapping[str, Any]], **filters: Any) -> Any:
        """Return a list, or rows that there are, as a pandas DataFrame of floats and times."""
        import pandas  # type: ignore[import-untyped,import-not-found,unused-ignore]

        found = self.pages(rows, **filters) if isinstance(rows, str) else rows
        frame = pandas.DataFrame(list(found))
        for name in frame:
            if name.endswith("_at") or name in ("timestamp", "open_time"):
                frame[name] = pandas.to_datetime(frame[name], utc=True, format="ISO8601")
            elif any(isinstance(value, Decimal) for value in frame[name]):
                frame[name] = frame[name].astype(float)
        return frame

    def order(
        self, symbol: str, side: str, size: Decimal | str | int, **options: Any
    ) -> dict[str, Any]:
        """Place an order and return the answer; raises Refused with the code of the failed check.

        ``options``: leverage, type="limit" with price, reduce_only, client_order_id. Without the
        last one it is given a new one: an order whose answer got lost is sent again with the same
        and placed once.
        """
        body = {"symbol": symbol, "side": side, "size": size, "client_order_id": uuid.uuid4().hex}
        body |= options
        repeat = bool(body["client_order_id"])
        return dict(body_of(self._call("POST", "/orders", body=body, repeat=repeat)))

    def cancel(self, order_id: int) -> dict[str, Any]:
        """Cancel an open order; raises Refused where it is open no more."""
        return dict(self.post(f"/orders/{order_id}/cancel"))

    def positions(self) -> defaultdict[str, Decimal]:
        """Return what is held, by symbol; negative where it is sold short, 0 of all others."""
        held = {p["symbol"]: p["quantity"] for p in self.account()["positions"]}
        return defaultdict(Decimal, held)

    def room(self) -> Decimal:
        """Return the USDT of new positions that limits and free margin leave at a leverage of 1.

        It is nothing where requests run out, so that some are left for closing.
        """
        limits = self.get("/account/limits")
        if limits["requests"] and limits["requests"]["left"] < KEPT_REQUESTS:
            return Decimal(0)
        free = max(self.account()["available_margin"], Decimal(0))
        return Decimal(min(free, limits["user_exposure"]["left"]))

    def trade(self, symbol: str, quantity: Decimal, **options: Any) -> Decimal:
        """Buy at the market, or sell a negative quantity; return what was filled, signed alike.

        Less than a lot is nothing. A refusal is logged, and nothing filled.
        """
        size, side = abs(quantity).quantize(LOT, ROUND_DOWN), "buy" if quantity > 0 else "sell"
        if not size:
            return size
        try:
            order = self.order(symbol, side, size, **options)["order"]
        except Refused as refused:
            log.info("%s %s %s: %s", side, size, symbol, refused)
            return Decimal(0)
        log.info("%s %s %s at %s", side, order["filled_size"], symbol, order["price"])
        return Decimal(order["filled_size"].copy_sign(quantity))

    def post(self, path: str, body: Mapping[str, Any] | None = None, **params: Any) -> Any:
        """Send anything else, once: where no answer comes, what requests says of that is raised."""
        return body_of(self._call("POST", path, body=body, params=params))

    def stream(
        self,
        *channels: str,
        user_id: int | str | None = None,
        last_event_id: str | None = None,
        seconds: float = math.inf,
        marks: float = math.inf,
    ) -> Iterator[Event]:
        """Yield events as they happen: ``stream("marks", "orders")``.

        It ends after so many ``seconds``, ten more where nothing happens, or so many ``marks``;
        without them never. It connects anew when it must, and misses nothing. Where it was away
        for longer than the exchange remembers, an event ``forgotten`` says so: read the lists,
        then go on. Raises StreamClosed, and Refused where it may not connect.
        """
        params = {"channels": ",".join(channels) or None, "user_id": user_id}
        known: dict[int | None, None] = {}
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            for event in events_of(self._open_stream(params, last_event_id, left)):
                if time.monotonic() > end:
                    return
                last_event_id = event.id or last_event_id
                number = event.data.get("event_id")
                if event.name == "closed":
                    if event.data["code"] not in HEALING:
                        raise StreamClosed(200, event.data)
                elif event.data and number not in known:
                    yield event
                    marks -= event.name == "mark"
                if marks <= 0:
                    return
                if number is not None:
                    known[number] = None
                if len(known) > REMEMBERED:
                    del known[next(iter(known))]
            time.sleep(min(1, max(0, end - time.monotonic())))

    def _open_stream(
        self, params: Mapping[str, Any], last_event_id: str | None, seconds: float
    ) -> requests.Response:
        """Connect; the exchange sends us on to the stream's address, which holds a ticket."""
        headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
        timeout = (self.timeout, min(max(seconds, SHORTEST_SILENCE), LONGEST_SILENCE))
        wanted: dict[str, Any] = {"params": params, "headers": headers, "timeout": timeout}
        return self._call("GET", "/stream", repeat=True, stream=True, **wanted)

    def _call(
        self, method: str, path: str, *, repeat: bool = False, signed: bool = True, **parts: Any
    ) -> requests.Response:
        """Return the answer to a call. Raises Refused, or what requests raises.

        What came too early (429) was not done and is sent again in time. What got no answer, or
        an error of the exchange's own, may have been done: only with ``repeat`` it is sent again.
        """
        give_up, may_renew = time.monotonic() + self.patience, signed
        for attempt in itertools.count():
            pause = 0.2 * 2 ** min(attempt, 5)
            try:
                answer = self._send(method, path, signed, **parts)
            except LOST:
                if not repeat or time.monotonic() + pause > give_up:
                    raise
            else:
                status = answer.status_code
                if answer.ok:
                    return answer
                if status == 401 and may_renew:
                    may_renew, self._renew_at = False, 0.0
                    continue
                pause = float(answer.headers.get("Retry-After", pause))
                is_early = status == 429 or (status >= 500 and repeat)
                if not is_early or time.monotonic() + pause > give_up:
                    raise Refused(status, body_of(answer))
            time.sleep(pause)
        raise AssertionError("counting has no end")

    def _send(
        self, method: str, path: str, signed: bool, body: Any = None, **parts: Any
    ) -> requests.Response:
        headers = {"Content-Type": "application/json", **parts.pop("headers", {})}
        if signed:
            headers["Authorization"] = f"Bearer {self._bearer()}"
        data = None if body is None else json.dumps(body, default=str)  # a Decimal as its text
        parts = {"timeout": self.timeout, **parts}
        return self._session.request(method, self.url + path, data=data, headers=headers, **parts)

    def _bearer(self) -> str:
        """Return a token, a new one in time before the old one expires."""
        if time.monotonic() >= self._renew_at:
            asked = {"api_key": self._api_key}
            answer = self._call("POST", "/auth/token", body=asked, repeat=True, signed=False)
            self._token = body_of(answer)["access_token"]
            self._renew_at = time.monotonic() + 0.9 * body_of(answer)["expires_in"]
        return self._token


def body_of(answer: requests.Response) -> Any:
    """Return the JSON of an answer, amounts as Decimals."""
    try:
        return exact(answer.content)
    except ValueError:  # of something in between, such as a proxy
        return {"detail": answer.text[:200]}


def exact(text: str | bytes) -> Any:
    """Return what a JSON text says, with a Decimal for each amount. Raises ValueError."""
    return json.loads(text, parse_float=Decimal, object_hook=with_amounts)


def with_amounts(fields: dict[str, Any]) -> dict[str, Any]:
    for name, value in fields.items():
        if isinstance(value, str) and name not in TEXTS and AMOUNT.fullmatch(value):
            fields[name] = Decimal(value)
    return fields


def events_of(answer: requests.Response) -> Iterator[Event]:
    """Yield the events of one connection until it ends, or breaks."""
    fields: dict[str, str] = {}
    with answer, contextlib.suppress(*LOST):
        for line in answer.iter_lines():
            name, _, value = line.decode().partition(":")
            if line:
                fields[name] = value.removeprefix(" ")
                continue
            data = exact(fields.get("data", "{}"))
            yield Event(fields.get("event", "message"), data, fields.get("id"))
            fields = {}


def command_line(description: str) -> argparse.Namespace:
    """Return what a program that trades was started with; its log goes to the standard output."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--key", default=os.environ.get("EXCHANGE_KEY", "beginner-key"))
    parser.add_argument("--url", default=os.environ.get("EXCHANGE_URL", "http://127.0.0.1:8000"))
    parser.add_argument("--seed", default="1", help="Same seed and marks, same decisions.")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--steps", type=int, default=1_000_000, help="So many marks at most.")
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
    return parser.parse_args()
