"""Reads JSON bodies exactly: numbers become decimals as they were written, never floats."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import IO, Any, NoReturn

from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from market.kernel.errors import BodyTooLarge


def refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def refuse_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object; a repeated name is refused, since readers disagree on which one counts."""
    body = dict(pairs)
    if len(body) != len(pairs):
        raise ValueError("a name stands twice in an object")
    return body


def refuse_half_characters(body: Any) -> None:
    """Raise ValueError for half of a surrogate pair, which no answer could quote."""
    json.dumps(body, ensure_ascii=False, default=str).encode()


class ExactJSONParser(BaseParser):
    """Parses ``application/json``; NaN, infinities and bodies nested too deep are refused."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body = stream.read(limit + 1)
        if len(body) > limit:
            raise BodyTooLarge
        try:
            parsed = json.loads(
                body.decode(),
                parse_float=Decimal,
                parse_constant=refuse_constant,
                object_pairs_hook=refuse_repeats,
            )
            if b"\\u" in body:
                refuse_half_characters(parsed)
        except (ValueError, ArithmeticError, RecursionError) as error:
            raise ParseError(f"The body is not valid JSON: {error}") from error
        return parsed
