"""Tickets: a minute in which a stream may be opened elsewhere, without the token.

A browser's EventSource sends no header of its own, and curl drops the token on its way to another
port. So the exchange's address answers with a redirect whose target carries a signed ticket, which
names who asked, and for what. It can be used again within its minute: for the same stream, by whom
it was given to.
"""

from dataclasses import asdict, dataclass
from typing import Any, Final

from django.core import signing

from kpi.errors import InvalidTicket

SECONDS: Final = 60
SALT: Final = "kpi.stream.tickets"


@dataclass(frozen=True, slots=True)
class Ticket:
    """Who may open which stream: of a key, or (``key_id`` None) of a person in the console.

    ``expires_at`` is when the token that asked expires, ``origin`` whose pages may read the stream,
    ``person`` who that person is, whatever their number.
    """

    key_id: int | None
    user_id: int
    channels: str
    whose: str
    expires_at: float
    origin: str
    person: str = ""


def signed(ticket: Ticket) -> str:
    """Return a ticket as the target of a redirect carries it."""
    return signing.dumps(asdict(ticket), salt=SALT)


def read_ticket(text: str) -> Ticket:
    """Return a ticket that was signed a minute ago at most. Raises InvalidTicket."""
    try:
        fields: dict[str, Any] = signing.loads(text, salt=SALT, max_age=SECONDS)
        return Ticket(**fields)
    except (signing.BadSignature, TypeError, ValueError):
        raise InvalidTicket from None
