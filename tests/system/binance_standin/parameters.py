"""Parameters of a request: where they stand, which are known, and what they may look like."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final
from urllib.parse import parse_qsl

from tests.system.binance_standin.errors import ApiError, illegal_characters, mandatory

SYMBOL: Final = "^[A-Z0-9-_.]{1,20}$"
SYMBOLS: Final = r'^\[("[A-Z0-9-_.]{1,20}"(,"[A-Z0-9-_.]{1,20}"){0,}){0,1}\]$'
DECIMAL: Final = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
NUMBER: Final = "^[0-9]{1,20}$"
CLIENT_ORDER_ID: Final = r"^[\.A-Z\:/a-z0-9_-]{1,36}$"
SECURITY: Final = frozenset({"timestamp", "recvWindow", "signature"})

LEGAL: Final[Mapping[str, str]] = {
    "symbol": SYMBOL,
    "symbols": SYMBOLS,
    "quantity": DECIMAL,
    "price": DECIMAL,
    "newClientOrderId": CLIENT_ORDER_ID,
    "origClientOrderId": CLIENT_ORDER_ID,
    "orderId": NUMBER,
    "fromId": NUMBER,
    "limit": NUMBER,
    "timestamp": NUMBER,
    "recvWindow": NUMBER,
}


class Parameters:
    """The parameters of one request; those of the query win over those of the body."""

    def __init__(self, query: str, body: str) -> None:
        pairs = parse_qsl(query, keep_blank_values=True)
        names = {name for name, _ in pairs}
        pairs += [pair for pair in parse_qsl(body, keep_blank_values=True) if pair[0] not in names]
        self.values = dict(pairs)
        if len(self.values) != len(pairs):
            raise ApiError(-1101, "Duplicate values for a parameter detected.")
        for name, value in pairs:
            if name in LEGAL and value and not re.fullmatch(LEGAL[name], value):
                raise illegal_characters(name, LEGAL[name])

    def only(self, *known: str, signed: bool = False) -> None:
        """Refuse parameters that the endpoint does not read."""
        allowed = {*known, *(SECURITY if signed else ())}
        read = len(allowed & self.values.keys())
        if read < len(self.values):
            raise ApiError(
                -1104,
                "Not all sent parameters were read; "
                f"read '{read}' parameter(s) but was sent '{len(self.values)}'.",
            )

    def text(self, name: str) -> str:
        if not self.values.get(name):
            raise mandatory(name)
        return self.values[name]

    def optional(self, name: str) -> str | None:
        return self.values.get(name)

    def number(self, name: str, default: int | None = None) -> int:
        if default is not None and name not in self.values:
            return default
        return int(self.text(name))

    def decimal(self, name: str) -> Decimal:
        text = self.text(name)
        if len(text.partition(".")[2].rstrip("0")) > 8:
            raise ApiError(-1111, f"Parameter '{name}' has too much precision.")
        return Decimal(text)

    def choice(self, name: str, allowed: tuple[str, ...], refusal: ApiError) -> str:
        if self.text(name) not in allowed:
            raise refusal
        return self.values[name]

    def forbid(self, *names: str) -> None:
        """Refuse parameters that do not belong to this kind of order."""
        for name in names:
            if name in self.values:
                raise ApiError(-1106, f"Parameter '{name}' sent when not required.")

    def symbols(self) -> list[str] | None:
        """Return the symbols asked for by either parameter, None for all."""
        if "symbol" in self.values and "symbols" in self.values:
            raise ApiError(-1128, "Combination of optional parameters invalid.")
        if "symbol" in self.values:
            return [self.text("symbol")]
        if "symbols" not in self.values:
            return None
        symbols: list[str] = json.loads(self.text("symbols"))
        if len(set(symbols)) != len(symbols):
            raise ApiError(-1151, "Symbol is present multiple times in the list.")
        return symbols
