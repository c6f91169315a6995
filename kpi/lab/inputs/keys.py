"""What a key of a study file may hold, and how it is read: one class a kind of value.

A key says once what it means, in which unit, what is allowed and where its default comes from; it
is the annotation of a field of a spec.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, Final, get_type_hints
from unicodedata import category

from market.kernel.amounts import EXACT, UNIT, is_multiple, plain
from risk.policy import TIERS

#: What no key gives a source for.
ASSUMPTION: Final = "assumption"
#: An account's amounts stay within this bound, in USDT.
LARGEST: Final = 9_000_000_000
#: Control characters and separators of lines, which no name has.
BREAKS: Final = {"Cc", "Zl", "Zp"}

Pairs = tuple[tuple[str, Decimal], ...]


class NotAllowed(ValueError):
    """A value that its key does not take; says what it may be, and which it is."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key with its ``meaning``, ``unit``, and the ``source`` of its default."""

    meaning: str
    unit: str = field(default="", kw_only=True)
    source: str = field(default=ASSUMPTION, kw_only=True)

    @property
    def allowed(self) -> str:
        """What it may be, as a part of a sentence."""
        raise NotImplementedError

    def read(self, value: Any) -> Any:
        """Return the value as the spec has it. Raises NotAllowed."""
        raise NotImplementedError

    def refuse(self, value: Any) -> NotAllowed:
        return NotAllowed(f"{self.allowed}, not {shown(value)}.")


@dataclass(frozen=True, slots=True)
class Whole(Key):
    """A whole number from ``low`` to ``high``."""

    low: int = field(default=0, kw_only=True)
    high: int = field(kw_only=True)

    @property
    def allowed(self) -> str:
        return f"a whole number from {self.low} to {self.high}"

    def read(self, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.refuse(value)
        if not self.low <= value <= self.high:
            raise self.refuse(value)
        return value


@dataclass(frozen=True, slots=True)
class Bounded(Key):
    """Decimals from ``low`` to ``high``, of eight places at most."""

    low: Decimal = field(default=Decimal(0), kw_only=True)
    high: Decimal = field(default=Decimal(1), kw_only=True)

    @property
    def allowed(self) -> str:
        return f"a number from {plain(self.low)} to {plain(self.high)} with 8 places at most"

    def number(self, value: Any) -> Decimal:
        """Return a number within the bounds. Raises NotAllowed."""
        if not isinstance(value, int | Decimal) or isinstance(value, bool):
            raise self.refuse(value)
        number = Decimal(value)
        if not (number.is_finite() and self.low <= number <= self.high):
            raise self.refuse(value)
        if not is_multiple(number, UNIT):
            raise self.refuse(value)
        return EXACT.plus(number)  # no minus before a zero


@dataclass(frozen=True, slots=True)
class Number(Bounded):
    """A decimal."""

    def read(self, value: Any) -> Decimal:
        return self.number(value)


@dataclass(frozen=True, slots=True)
class ByTier(Bounded):
    """A decimal for each tier: one for all, or a table by tier."""

    @property
    def allowed(self) -> str:
        return (
            f"a number from {plain(self.low)} to {plain(self.high)} with 8 places at most, or a "
            f"table of one for each of {', '.join(TIERS)}"
        )

    def read(self, value: Any) -> Pairs:
        by_tier = value if isinstance(value, Mapping) else dict.fromkeys(TIERS, value)
        if set(by_tier) != set(TIERS):
            raise self.refuse(value)
        return tuple((tier, self.number(by_tier[tier])) for tier in TIERS)


@dataclass(frozen=True, slots=True)
class Weights(Bounded):
    """A table of weights by symbol, such as ``{BTCUSDT = 2, ETHUSDT = 1}``."""

    @property
    def allowed(self) -> str:
        return f"a table of weights by symbol, from 0 to {plain(self.high)}, not all of them 0"

    def read(self, value: Any) -> Pairs:
        if not isinstance(value, Mapping):
            raise self.refuse(value)
        weights = tuple((symbol, self.number(one)) for symbol, one in sorted(value.items()))
        if not any(weight for _, weight in weights):
            raise self.refuse(value)
        return weights


@dataclass(frozen=True, slots=True)
class Text(Key):
    """A line of text; not empty where it is given."""

    @property
    def allowed(self) -> str:
        return "a text of one line that is not empty"

    def read(self, value: Any) -> str:
        if not isinstance(value, str) or not value.strip() or not is_line(value):
            raise self.refuse(value)
        return value.strip()


@dataclass(frozen=True, slots=True)
class Choice(Key):
    """One of a few words."""

    choices: tuple[str, ...]

    @property
    def allowed(self) -> str:
        return f"one of {', '.join(self.choices)}"

    def read(self, value: Any) -> str:
        if value not in self.choices:
            raise self.refuse(value)
        return str(value)


@dataclass(frozen=True, slots=True)
class Symbols(Key):
    """A list of symbols, each once."""

    @property
    def allowed(self) -> str:
        return "a list of symbols, each once"

    def read(self, value: Any) -> tuple[str, ...]:
        texts = isinstance(value, list) and value and all(isinstance(one, str) for one in value)
        if not texts or len(set(value)) < len(value):
            raise self.refuse(value)
        return tuple(value)


@dataclass(frozen=True, slots=True)
class Moment(Key):
    """A date or a time; one without a zone is in UTC."""

    @property
    def allowed(self) -> str:
        return "a time such as 2025-10-10T00:00:00Z"

    def read(self, value: Any) -> datetime:
        try:
            return moment_of(value)
        except (ValueError, OverflowError):
            raise self.refuse(value) from None


def moment_of(value: Any) -> datetime:
    """Return a moment in UTC. Raises ValueError or OverflowError where there is none."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time(tzinfo=UTC))
    if not isinstance(value, datetime):
        raise ValueError(value)
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def is_line(text: str) -> bool:
    """Tell whether a text is one line that names something: it has no control characters."""
    return not any(category(one) in BREAKS for one in text)


def keys_of(spec: Any) -> dict[str, Key]:
    """Return the keys of a spec, an object or its class, by name, in their order."""
    owner = spec if isinstance(spec, type) else type(spec)
    hints = get_type_hints(owner, include_extras=True)
    return {
        name: key
        for name, hint in hints.items()
        for key in getattr(hint, "__metadata__", ())
        if isinstance(key, Key)
    }


def shown(value: Any) -> str:
    """Write a value of a study file as its author would."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | Decimal | datetime) else repr(value)
