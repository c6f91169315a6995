"""How amounts, prices and sizes travel: as strings out, as strings or JSON numbers in."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from django.utils.timezone import is_naive
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from market.kernel.amounts import EXACT, plain, round_half_even

AMOUNT_SCHEMA = {"type": "string", "format": "decimal", "example": "1300.00000000"}
INPUT_SCHEMA = {
    "oneOf": [{"type": "string", "format": "decimal"}, {"type": "number"}],
    "example": "0.1",
}


@extend_schema_field(AMOUNT_SCHEMA)
class AmountField(serializers.Field[Decimal, Any, str, Any]):
    """An outgoing decimal with eight places; one asked for with more keeps all of them."""

    def __init__(self, *, required: bool = True, **kwargs: Any) -> None:
        # The schema tells of a read-only field that it is always there.
        super().__init__(read_only=required, required=False, **kwargs)

    def to_representation(self, value: Decimal) -> str:
        exact = round_half_even(value)
        return f"{exact:f}" if exact == value else plain(value)


@extend_schema_field(INPUT_SCHEMA)
class AmountInputField(serializers.DecimalField):
    """An incoming decimal, read digit by digit; finite and of a storable length.

    Trailing zeros do not count. Python would also take digits of other scripts and underscores
    between them.
    """

    MAX_STRING_LENGTH = 64

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_digits=36, decimal_places=18, **kwargs)

    def to_internal_value(self, data: Any) -> Decimal:
        text = str(data).strip()
        if len(text) > self.MAX_STRING_LENGTH:
            self.fail("max_string_length")
        if not text.isascii() or "_" in text:
            self.fail("invalid")
        return super().to_internal_value(without_trailing_zeros(text))


class MomentField(serializers.DateTimeField):
    """A moment with its offset from UTC, since 1970 and before 2200."""

    EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
    LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)

    default_error_messages = {
        "naive": "Say in which time zone: end with Z, or with an offset such as +02:00.",
        "absurd": "Give a time from 1970 to before 2200.",
    }

    def enforce_timezone(self, value: datetime) -> datetime:
        if is_naive(value):
            self.fail("naive")
        return super().enforce_timezone(value)

    def to_internal_value(self, value: Any) -> datetime:
        moment: datetime = super().to_internal_value(value)
        if not self.EARLIEST <= moment < self.LATEST:
            self.fail("absurd")
        return moment


class WordField(serializers.ChoiceField):
    """One of some words in lower case, read in any."""

    def to_internal_value(self, data: Any) -> Any:
        return super().to_internal_value(data.lower() if isinstance(data, str) else data)


def without_trailing_zeros(text: str) -> str:
    """Return a number without the zeros that say nothing; what is none comes back as it is."""
    try:
        return str(EXACT.normalize(EXACT.create_decimal(text)))
    except ArithmeticError:
        return text
