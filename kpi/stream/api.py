"""``GET /stream``: a redirect to the stream server, and there the stream itself."""

from __future__ import annotations

from typing import Any, Final, Protocol, cast
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request

from accounts.access import caller
from accounts.addresses import client_address
from accounts.authentication import KEY_CLAIM, ApiKeyTokenAuthentication, admit
from accounts.keys import calling_key
from accounts.models import User
from kpi.errors import InvalidLastEventId, InvalidTicket, StreamsFull, TooManyStreams
from kpi.stream.cursors import Cursor
from kpi.stream.frames import CHANNELS
from kpi.stream.holders import Holder, person_of
from kpi.stream.journal import check_cursor
from kpi.stream.subscriptions import STREAM_QUERY, Subscription, cursor_asked, scope_for
from kpi.stream.tickets import Ticket, read_ticket, signed
from market.kernel.api.calls import Call
from market.kernel.api.negotiation import OneFormat
from market.kernel.api.schema import errors

#: Where a request on the stream server carries its streams; no header can be called so.
STREAMS: Final = "kpi.stream.streams"
MOST_OF_A_HOLDER: Final = 5


class Streams(Protocol):
    """The streams that a server has open."""

    def admit(self, subscription: Subscription) -> None:
        """Count a stream that is about to open. Raises TooManyStreams, StreamsFull."""


class Opening(HttpResponse):
    """A granted stream, whose events the server sends."""

    streaming = True  # no middleware takes it for empty

    def __init__(self, subscription: Subscription, *, origin: str) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        if origin:
            headers |= {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
        super().__init__(content_type="text/event-stream; charset=utf-8", headers=headers)
        self.subscription = subscription


class StreamAuthentication(ApiKeyTokenAuthentication):
    """Takes on the stream server a ticket, and anywhere the token of a key.

    ``request.auth`` of a ticket names the key, as a token does, and holds the ticket.
    """

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        text = request.query_params.get("ticket") if STREAMS in request.META else None
        if text is None:
            return super().authenticate(request)
        ticket = read_ticket(text)
        user = user_of(ticket, request._request)
        request._request.api_user_id = user.pk  # type: ignore[attr-defined]
        key = ticket.key_id or f"console:{user.pk}"
        return user, {KEY_CLAIM: key, "exp": ticket.expires_at, "ticket": ticket}


def user_of(ticket: Ticket, request: HttpRequest) -> User:
    """Return who holds a ticket, if they still may enter.

    Raises InvalidTicket, and as ``admit`` does of a key.
    """
    if ticket.key_id is None:
        return person_with(ticket)
    key = calling_key(key_id=ticket.key_id)
    if key is None or key.user.pk != ticket.user_id:
        raise InvalidTicket
    admit(key, request)
    return key.user


def person_with(ticket: Ticket) -> User:
    """Return who holds a ticket of the console. Raises InvalidTicket."""
    user = User.objects.filter(pk=ticket.user_id, is_active=True, is_staff=True).first()
    if user is None or person_of(user) != ticket.person:
        raise InvalidTicket
    return user


class StreamView(Call):
    """Events as they are committed."""

    authentication_classes = (StreamAuthentication,)
    content_negotiation_class = OneFormat
    queries = {"get": STREAM_QUERY}

    @extend_schema(
        auth=[{"bearerToken": []}],  # type: ignore[list-item]
        operation_id="stream",
        summary="Events as they are committed (Server-Sent Events)",
        responses={
            (200, "text/event-stream"): OpenApiTypes.STR,
            307: OpenApiResponse(description="The way to the stream server, good for a minute"),
            **errors(400, invalid_last_event_id=InvalidLastEventId.detail),
            **errors(401, invalid_ticket=InvalidTicket.detail),
            **errors(403),
            **errors(429, too_many_streams=TooManyStreams(MOST_OF_A_HOLDER).detail),
            **errors(503, streams_full=StreamsFull.detail),
        },
    )
    def get(self, request: Request) -> HttpResponse:
        query = {"channels": CHANNELS} | self.query
        http_request, user = request._request, caller(request)
        auth = cast("dict[str, Any]", request.auth)
        scope = scope_for(user, channels=query["channels"], whose=query.get("user_id"))
        cursor = cursor_asked(http_request, query)
        ticket: Ticket | None = auth.get("ticket")
        if STREAMS not in request.META:
            wanted = ticket_for(
                http_request, user, query, key_id=auth[KEY_CLAIM], until=auth["exp"]
            )
            return redirect_to_stream(http_request, wanted, cursor=cursor)
        if ticket is not None and (ticket.channels, ticket.whose) != wishes(query):
            raise InvalidTicket
        if cursor is not None:
            check_cursor(cursor)
        key_id = ticket.key_id if ticket else auth[KEY_CLAIM]
        person = ticket.person if ticket else ""
        address = client_address(http_request)
        holder = Holder(key_id, user.pk, user.is_staff, person, address)
        subscription = Subscription(holder, scope, expires_at=auth["exp"], cursor=cursor)
        cast("Streams", request.META[STREAMS]).admit(subscription)
        return Opening(subscription, origin=origin_allowed(http_request, ticket))


def wishes(query: dict[str, Any]) -> tuple[str, str]:
    """Return channels and user of a query as a ticket holds them."""
    return ",".join(query["channels"]), query.get("user_id", "")


def ticket_for(
    request: HttpRequest, user: User, query: dict[str, Any], *, key_id: int | None, until: float
) -> Ticket:
    channels, whose = wishes(query)
    return Ticket(
        key_id=key_id,
        person="" if key_id else person_of(user),
        user_id=user.pk,
        channels=channels,
        whose=whose,
        expires_at=until,
        origin=f"{request.scheme}://{request.get_host()}",
    )


def redirect_to_stream(
    request: HttpRequest, ticket: Ticket, *, cursor: Cursor | None
) -> HttpResponse:
    """Return the way to the stream server, good for a minute."""
    named = {"channels": ticket.channels, "user_id": ticket.whose, "last_event_id": cursor or ""}
    query = {name: value for name, value in named.items() if value} | {"ticket": signed(ticket)}
    headers = {"Location": f"{stream_url(request)}?{urlencode(query)}", "Cache-Control": "no-store"}
    return HttpResponse(status=307, headers=headers)


def stream_url(request: HttpRequest) -> str:
    """Return where the stream server is: STREAM_URL, else the same host at STREAM_PORT."""
    if settings.STREAM_URL:
        return str(settings.STREAM_URL)
    host = urlsplit(f"//{request.get_host()}").hostname or ""
    name = f"[{host}]" if ":" in host else host
    return f"{request.scheme}://{name}:{settings.STREAM_PORT}/stream"


def origin_allowed(request: HttpRequest, ticket: Ticket | None) -> str:
    """Return the origin whose pages may read the stream: the exchange's own, where it asks."""
    origin = request.META.get("HTTP_ORIGIN", "")
    return origin if ticket is not None and origin == ticket.origin else ""
