"""What a stream is asked for, by whom, and what it may show."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.http import HttpRequest
from rest_framework import serializers

from accounts.errors import AccountNotFound
from accounts.models import User
from accounts.selectors import account_of
from kpi.stream.cursors import LONGEST, Cursor, read_cursor
from kpi.stream.frames import CHANNELS, KPI
from kpi.stream.holders import Holder
from kpi.stream.journal import Scope
from market.kernel.api.asked import QuerySerializer
from market.kernel.errors import Forbidden

EVERYBODY: Final = "all"
LARGEST_ID: Final = 2**63 - 1


class ChannelsField(serializers.CharField):
    """Names of channels with commas between them; one named twice counts once."""

    def to_internal_value(self, data: Any) -> Any:
        names = super().to_internal_value(data).split(",")
        unknown = [name for name in names if name not in (*CHANNELS, KPI)]
        if unknown:
            known = ", ".join((*CHANNELS, KPI))
            raise serializers.ValidationError(f"There is no channel {unknown[0]!r}, but {known}.")
        return tuple(name for name in (*CHANNELS, KPI) if name in names)


class WhoseField(serializers.CharField):
    """A user's number, or ``all``."""

    def to_internal_value(self, data: Any) -> Any:
        text = super().to_internal_value(data)
        if text == EVERYBODY:
            return text
        if not (text.isascii() and text.isdecimal() and 0 < int(text) <= LARGEST_ID):
            raise serializers.ValidationError("The number of a user, or all.")
        return str(int(text))


class StreamQuery(QuerySerializer):
    """What a stream is opened with."""

    channels = ChannelsField(
        max_length=100,
        required=False,
        help_text=f"Some of {', '.join(CHANNELS)}, which are all told without it; staff and "
        f"regulators may ask for {KPI} besides.",
    )
    user_id = WhoseField(
        max_length=19,
        required=False,
        help_text="Yours, as without it; staff and regulators may name anybody, and all.",
    )
    last_event_id = serializers.CharField(
        max_length=LONGEST,
        required=False,
        help_text="Where to go on, for who cannot send the header Last-Event-ID, which outweighs "
        "it.",
    )
    ticket = serializers.CharField(
        max_length=1_000,
        required=False,
        help_text="What the redirect adds; the stream server takes it in place of a token.",
    )


#: One instance reads every request.
STREAM_QUERY: Final = StreamQuery()


@dataclass(frozen=True, slots=True)
class Subscription:
    """A stream as it was granted. ``cursor`` is where it goes on, None from now."""

    holder: Holder
    scope: Scope
    expires_at: float
    cursor: Cursor | None


def cursor_asked(request: HttpRequest, asked: dict[str, Any]) -> Cursor | None:
    """Return where a client wants to go on. Raises InvalidLastEventId."""
    text = request.META.get("HTTP_LAST_EVENT_ID") or asked.get("last_event_id")
    return read_cursor(text) if text else None


def scope_for(user: User, *, channels: Sequence[str], whose: str | None) -> Scope:
    """Return what a user may see of what is asked for. Raises Forbidden, AccountNotFound."""
    if KPI in channels and not user.is_staff:
        raise Forbidden("The KPIs are for staff and regulators.")
    if whose == EVERYBODY:
        if not user.is_staff:
            raise Forbidden("Staff and regulators alone watch everybody.")
        return Scope(channels, everybody=True)
    if whose is not None and int(whose) != user.pk and not user.is_staff:
        raise Forbidden
    account_id = account_of(user.pk if whose is None else int(whose)).first()
    if account_id is None and whose is not None:
        raise AccountNotFound
    return Scope(channels, account_id=account_id)
