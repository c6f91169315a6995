"""Maintenance brackets: how much equity a position requires as its notional grows.

The ladder of an instrument has brackets by notional, each with its maintenance rate and its largest
leverage. At a notional N (USDT) in its bracket a position requires N × rate − cumulative, where
``cumulative(i+1) = cumulative(i) + cap(i) × (rate(i+1) − rate(i))`` makes it continuous. As rates
rise it is convex: the largest of N × rate − cumulative over all brackets. Beyond the last cap the
last rate goes on.

Source: Binance, "How to Calculate Liquidation Price of USDⓈ-M Futures Contracts". Decimals in USDT,
rates as shares of one.

Ladders are a text, as ``BTCUSDT 300000: 0.004 150x, 800000: 0.005 100x; ETHUSDT 50000: 0.01 50x``:
of each symbol caps in whole USDT, each with its rate and leverage. No text, no ladders.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Final

from market.kernel.amounts import EXACT, ZERO, plain, round_half_even
from risk.leverage import HIGHEST_LEVERAGE
from risk.margin import initial_share, notional

#: How margin is required: a share of the initial margin, or by brackets of maintenance.
INITIAL_SHARE: Final = "initial_share"
BRACKETS: Final = "brackets"
MOST_BRACKETS: Final = 12
LONGEST_TEXT: Final = 5_000
SHAPE: Final = (
    "ladders such as BTCUSDT 300000: 0.004 150x, 800000: 0.005 100x; ETHUSDT 50000: 0.01 50x, "
    f"of each symbol at most {MOST_BRACKETS} brackets, caps in whole USDT rising, rates rising "
    f"between 0 and 1 with 8 places at most, leverage falling from {HIGHEST_LEVERAGE} at most and "
    "never above 1 ÷ rate, and a cumulative amount behind it only as the brackets below make it; "
    f"{LONGEST_TEXT} characters at most"
)
LADDER: Final = re.compile(r"\s*([A-Z0-9]{2,20})\s([^;\n]*)", re.ASCII)
BRACKET: Final = re.compile(
    r"\s*(\d{1,15})\s*:\s*(0\.\d{1,8})\s+(\d{1,5})x(?:\s+(\d{1,15}(?:\.\d{1,8})?))?\s*", re.ASCII
)


class NoLadders(ValueError):
    """A text that says no ladders."""


@dataclass(frozen=True, slots=True)
class Bracket:
    """Up to a notional of ``cap``: the maintenance rate, the largest leverage, what is taken off.

    ``cumulative`` has eight places at most, as a cap is whole.
    """

    cap: Decimal
    rate: Decimal
    max_leverage: int
    cumulative: Decimal

    def maintenance(self, notional: Decimal) -> Decimal:
        """Return what the bracket's own line says of a notional, unrounded."""
        return EXACT.subtract(EXACT.multiply(notional, self.rate), self.cumulative)


#: The brackets of an instrument, by notional.
Ladder = tuple[Bracket, ...]


def maintenance(notional: Decimal, ladder: Ladder) -> Decimal:
    """Return what a position of a notional requires, unrounded; never below zero."""
    return max(bracket.maintenance(notional) for bracket in ladder)


def bracket_of(notional: Decimal, ladder: Ladder) -> Bracket | None:
    """Return the bracket that a notional is in, caps included; None beyond the last one."""
    return next((bracket for bracket in ladder if notional <= bracket.cap), None)


def liquidation_price(
    *, quantity: Decimal, mark_price: Decimal, spare: Decimal, ladder: Ladder
) -> Decimal | None:
    """Return the mark at which equity is what the account requires, other marks unchanged.

    ``spare`` is equity at ``mark_price`` less what all other positions require. In a bracket this
    is the published ``(spare − quantity × mark + cumulative) ÷ (|quantity| × rate − quantity)``; as
    what is required is the largest over all brackets, the price is the first that a fall of a long
    position, or a rise of a short one, reaches. Half-even to eight places; None when no positive
    price gets there.
    """
    start = EXACT.subtract(spare, EXACT.multiply(quantity, mark_price))
    prices = [
        EXACT.divide(
            EXACT.add(start, bracket.cumulative),
            EXACT.subtract(EXACT.multiply(abs(quantity), bracket.rate), quantity),
        )
        for bracket in ladder
    ]
    price = round_half_even(max(prices) if quantity > 0 else min(prices))
    return price if price > 0 else None


@dataclass(frozen=True, slots=True)
class Requirement:
    """How much equity positions require: a share of their initial margin, or maintenance.

    By brackets a position in an instrument without a ladder requires that share too.
    """

    threshold: Decimal
    mode: str = INITIAL_SHARE
    brackets: str = ""

    @property
    def is_by_brackets(self) -> bool:
        return self.mode == BRACKETS

    @property
    def ladders(self) -> Mapping[str, Ladder]:
        """The ladders that positions are held to, by symbol."""
        return ladders_of(self.brackets if self.is_by_brackets else "")

    def ladder(self, symbol: str) -> Ladder | None:
        """Return that of an instrument; None where its positions are held to the share."""
        return self.ladders.get(symbol) if self.is_by_brackets else None

    def of(
        self, symbol: str, *, quantity: Decimal, mark_price: Decimal, margin: Decimal
    ) -> Decimal:
        """Return what a position with an initial margin requires at a mark price, unrounded."""
        ladder = self.ladder(symbol)
        if ladder is None:
            return initial_share(margin, self.threshold)
        return maintenance(notional(quantity, mark_price), ladder)


def requirement_of(row: Any) -> Requirement:
    """Return the requirement whose columns of the policy ``row`` has as attributes."""
    return Requirement(row.liquidation_threshold, row.margin_mode, row.maintenance_brackets)


@lru_cache(maxsize=64)
def ladders_of(text: str) -> Mapping[str, Ladder]:
    """Return the ladders of a text that was checked by symbol, kept for the next order."""
    return MappingProxyType(read_ladders(text))


def read_ladders(text: str) -> dict[str, Ladder]:
    """Return the ladders of a text by symbol. Raises NoLadders."""
    said = [part for part in re.split(r"[;\n]", text) if part.strip()]
    ladders = dict(map(read_ladder, said))
    if len(ladders) < len(said) or len(ladders_text(ladders)) > LONGEST_TEXT:
        raise NoLadders(text)
    return dict(sorted(ladders.items()))


def read_ladder(text: str) -> tuple[str, Ladder]:
    found = LADDER.fullmatch(text)
    if found is None:
        raise NoLadders(text)
    symbol, brackets = found.groups()
    return symbol, ladder_of(map(read_bracket, brackets.split(",")))


#: What is said of a bracket: cap, rate, largest leverage, and the cumulative amount, if said.
Said = tuple[Decimal, Decimal, int, Decimal | None]


def read_bracket(text: str) -> Said:
    found = BRACKET.fullmatch(text)
    if found is None:
        raise NoLadders(text)
    cap, rate, leverage, cumulative = found.groups()
    said = None if cumulative is None else Decimal(cumulative)
    return Decimal(cap), Decimal(rate), int(leverage), said


def ladder_of(said: Iterable[Said]) -> Ladder:
    """Return the ladder of what is said of its brackets. Raises NoLadders where that disagrees."""
    ladder: list[Bracket] = []
    cumulative, cap, rate = ZERO, ZERO, ZERO
    for next_cap, next_rate, leverage, cumulative_said in said:
        step = EXACT.multiply(cap, EXACT.subtract(next_rate, rate))
        cumulative = round_half_even(EXACT.add(cumulative, step))
        cap, rate = next_cap, next_rate
        if cumulative_said not in (None, cumulative):
            raise NoLadders(cumulative_said)
        ladder.append(Bracket(cap, rate, leverage, cumulative))
    check_ladder(ladder)
    return tuple(ladder)


def check_ladder(ladder: list[Bracket]) -> None:
    """Raise NoLadders unless caps and rates rise, leverage falls, and rate × leverage is 1 at most.

    So what opens a position brings no less margin than the position then requires.
    """
    rising = all(
        one.cap < other.cap and one.rate < other.rate and one.max_leverage > other.max_leverage
        for one, other in pairwise(ladder)
    )
    first, last = ladder[0], ladder[-1]
    within = first.cap > 0 and first.rate > 0 and last.max_leverage >= 1
    within = within and first.max_leverage <= HIGHEST_LEVERAGE
    within = within and all(one.rate * one.max_leverage <= 1 for one in ladder)
    if not (rising and within and len(ladder) <= MOST_BRACKETS):
        raise NoLadders(ladder)


def ladders_text(ladders: Mapping[str, Ladder]) -> str:
    """Return the text of ladders, the same for the same ones, without what is derived."""
    return "; ".join(
        f"{symbol} {', '.join(map(bracket_text, ladder))}"
        for symbol, ladder in sorted(ladders.items())
    )


def bracket_text(bracket: Bracket) -> str:
    return f"{plain(bracket.cap)}: {plain(bracket.rate)} {bracket.max_leverage}x"
