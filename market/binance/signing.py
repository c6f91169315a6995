"""Signed requests: percent-encoding, HMAC-SHA256 and credentials that no log or repr shows.

Source: Binance Spot REST API, "Request security".
"""

import hashlib
import hmac
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, urlencode

SIGNATURE: Final = re.compile(r"signature=[0-9A-Fa-f]+")


@dataclass(frozen=True, slots=True)
class Credentials:
    """An API key with its secret."""

    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)

    def signature(self, payload: str) -> str:
        """Return the hexadecimal HMAC-SHA256 of a payload that is percent-encoded already."""
        return hmac.new(self.api_secret.encode(), payload.encode(), hashlib.sha256).hexdigest()

    def sign(self, parameters: Mapping[str, str]) -> str:
        """Return the parameters encoded, with their signature at the end."""
        payload = encoded(parameters)
        return f"{payload}&signature={self.signature(payload)}"


def encoded(parameters: Mapping[str, str]) -> str:
    """Percent-encode parameters for a query string or a form body, in their order."""
    return urlencode(parameters, quote_via=quote, safe="")


class HideSignatures(logging.Filter):
    """Blanks signatures in records that show a URL."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if "signature=" in message:
            record.msg, record.args = SIGNATURE.sub("signature=***", message), None
        return True


HIDE_SIGNATURES: Final = HideSignatures()


def hide_signatures() -> None:
    """Keep urllib3, which logs every URL at level DEBUG, from logging signatures."""
    logging.getLogger("urllib3.connectionpool").addFilter(HIDE_SIGNATURES)
