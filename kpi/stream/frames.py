"""How an event looks on the wire: a few lines of text, as Server-Sent Events have it."""

from dataclasses import dataclass
from typing import Any, Final

from rest_framework.utils.encoders import JSONEncoder

from accounts.errors import KeyExpired, NetworkNotAllowed

#: What a stream begins with: how soon a client comes back, in milliseconds.
OPENING: Final = b"retry: 1000\n: open\n"
ALIVE: Final = b": .\n"

CHANNELS: Final = ("marks", "orders", "trades", "account", "liquidations", "halts")
KPI: Final = "kpi"
#: What an event of a channel is called.
NAMES: Final = {
    "marks": "mark",
    "orders": "order",
    "trades": "trade",
    "account": "account",
    "liquidations": "liquidation",
    "halts": "halt",
}


@dataclass(frozen=True, slots=True)
class Closing:
    """Why a stream ends, which is the last that it says."""

    code: str
    detail: str

    @property
    def frame(self) -> bytes:
        return frame("closed", {"code": self.code, "detail": self.detail})


SLOW_READER: Final = Closing("slow_reader", "You read more slowly than events come; come back.")
KEY_REVOKED: Final = Closing("key_revoked", "The key is revoked, or its user not active any more.")
KEY_EXPIRED: Final = Closing(KeyExpired.code, KeyExpired.detail)
NETWORK_NOT_ALLOWED: Final = Closing(NetworkNotAllowed.code, NetworkNotAllowed.detail)
TOKEN_EXPIRED: Final = Closing("token_expired", "The token has expired; come back with another.")
SERVER_STOPPING: Final = Closing("server_stopping", "The stream server stops; come back.")

FORGOTTEN: Final = {
    "detail": "Events behind the last id are not kept any more, or the exchange was restored: read "
    "the lists, then go on."
}


ENCODER: Final = JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def frame(name: str, data: Any) -> bytes:
    """Return an event of a name; JSON holds no line break."""
    return f"event: {name}\ndata: {ENCODER.encode(data)}\n\n".encode()


def id_line(cursor: object) -> bytes:
    """Return the line that says where to go on."""
    return f"id: {cursor}\n".encode()
