"""A population drawn by seed.

Each kind of draw has a stream of its own, whose nth number is the nth account's: more accounts, or
another parameter, leave the other draws alone. What went through a logarithm is rounded so coarsely
that the last bit of a machine's mathematics makes no difference.
"""

from decimal import Decimal
from enum import IntEnum, auto
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kpi.lab.errors import StudyError
from kpi.lab.inputs.accounts import Entries, Population
from kpi.lab.inputs.keys import Pairs
from kpi.lab.inputs.specs import PopulationSpec
from kpi.lab.inputs.tape import Tape
from risk.arrays.units import LARGEST, UNITS, Whole, rate_units, times_rate

Floats = NDArray[np.float64]

SECONDS: Final = 3600
#: Longer than any tape, and far from where seconds overflow.
LONGEST_HELD: Final = 2**53
#: The highest leverage that anybody wants.
MOST_WANTED: Final = 1000
#: Shares are drawn to so many parts of one.
PARTS: Final = 10_000


class Draw(IntEnum):
    """The kinds of draws, by the number of their stream; a new one is added at the end."""

    TIER = auto()
    WEALTH = auto()
    LEVERAGE = auto()
    USED = auto()
    SYMBOL = auto()
    SIDE = auto()
    ENTRY = auto()
    HOLDING = auto()
    STOP = auto()
    STOP_LEVEL = auto()
    TOP_UP = auto()
    TOP_UP_LEVEL = auto()
    SECOND = auto()
    SECOND_SIDE = auto()
    SECOND_ENTRY = auto()
    SECOND_HOLDING = auto()


class Draws:
    """The draws of one seed, a number of each kind for every account."""

    def __init__(self, seed: int, accounts: int) -> None:
        self.seed, self.accounts = seed, accounts

    def stream(self, kind: Draw) -> np.random.Generator:
        return np.random.Generator(np.random.Philox(key=[self.seed, kind]))

    def uniform(self, kind: Draw) -> Floats:
        """Return numbers from 0 to below 1."""
        return self.stream(kind).random(self.accounts)

    def lognormal(self, kind: Draw, sigma: Decimal) -> Floats:
        """Return numbers whose median is 1."""
        return np.exp(float(sigma) * self.stream(kind).standard_normal(self.accounts))

    def share(self, kind: Draw, least: Decimal, most: Decimal) -> Whole:
        """Return shares between two, in 1e-8."""
        parts = float(least) + self.uniform(kind) * float(most - least)
        return np.floor(parts * PARTS).astype(np.int64) * (UNITS // PARTS)

    def chosen(self, kind: Draw, weights: list[Decimal]) -> NDArray[np.int8]:
        """Return which of several each account got."""
        total = sum(weights)
        bounds = [float(sum(weights[: n + 1]) / total) for n in range(len(weights) - 1)]
        return np.searchsorted(bounds, self.uniform(kind), side="right").astype(np.int8)


def draw_population(spec: PopulationSpec, seed: int, tape: Tape) -> Population:
    """Return the accounts of a seed with their entries. Raises StudyError."""
    draws = Draws(seed, spec.accounts)
    tier = draws.chosen(Draw.TIER, values(spec.tiers))
    balance = opening_balances(spec, draws, tier)
    return Population.of(
        tier=tier,
        balance=balance,
        entries=draw_entries(spec, draws, balance, tape),
        instruments=len(tape.instruments.symbols),
        **reactions(spec, draws, balance),
    )


def opening_balances(spec: PopulationSpec, draws: Draws, tier: NDArray[np.int8]) -> Whole:
    """Return balances in whole USDT, one at least."""
    medians = np.array([float(median) for median in values(spec.wealth_median)])
    wealth = np.rint(medians[tier] * draws.lognormal(Draw.WEALTH, spec.wealth_sigma))
    if wealth.max() > LARGEST // UNITS:
        raise too_large("wealth_median or wealth_sigma", "an account would own")
    return np.maximum(wealth, 1).astype(np.int64) * UNITS


def draw_entries(spec: PopulationSpec, draws: Draws, balance: Whole, tape: Tape) -> Entries:
    """Return an entry per account and, of some, one in a second symbol. Raises StudyError."""
    leverage, budget = draw_margins(spec, draws, balance)
    weights = weights_of(spec, tape)
    symbol = draws.chosen(Draw.SYMBOL, weights)
    other = next_traded(symbol, weights)
    two = (draws.uniform(Draw.SECOND) < float(spec.second_share)) & (other != symbol)
    budget = np.where(two, budget // 2, budget)
    row = np.concatenate([np.arange(len(balance)), np.flatnonzero(two)])
    side = [draws.uniform(kind) for kind in (Draw.SIDE, Draw.SECOND_SIDE)]
    time = [
        entry_times(spec, draws.uniform(kind), tape) for kind in (Draw.ENTRY, Draw.SECOND_ENTRY)
    ]
    holding = [
        draws.lognormal(kind, spec.holding_sigma) for kind in (Draw.HOLDING, Draw.SECOND_HOLDING)
    ]
    held = SECONDS * float(spec.holding_median) * of_both(holding, two)
    return Entries(
        row=row.astype(np.int32),
        instrument=of_both([symbol, other], two),
        time=of_both(time, two),
        lots=np.zeros(len(row), dtype=np.int64),
        long=of_both(side, two) < float(spec.long_share),
        leverage=leverage[row],
        budget=budget[row],
        exit_time=of_both(time, two) + np.clip(np.rint(held), 1, LONGEST_HELD).astype(np.int64),
    )


def of_both(first_and_second: list[NDArray[Any]], two: NDArray[np.bool_]) -> NDArray[Any]:
    """Return a column of all first entries, then of the second ones that there are."""
    first, second = first_and_second
    return np.concatenate([first, second[two]])


def draw_margins(spec: PopulationSpec, draws: Draws, balance: Whole) -> tuple[Whole, Whole]:
    """Return the leverage that each account wants, and the margin that it ties up in all.

    Raises StudyError.
    """
    wanted = np.rint(
        float(spec.leverage_median) * draws.lognormal(Draw.LEVERAGE, spec.leverage_sigma)
    )
    leverage = np.clip(wanted, 1, MOST_WANTED).astype(np.int64)
    used = float(spec.used_least) + float(spec.used_span) * draws.uniform(Draw.USED) ** 2
    budget = times_rate(balance, np.floor(used * PARTS).astype(np.int64) * (UNITS // PARTS))
    if (budget > LARGEST // leverage).any():
        raise too_large("wealth_median or leverage_median", "an entry would be")
    return leverage, budget


def entry_times(spec: PopulationSpec, draw: Floats, tape: Tape) -> Whole:
    """Return whole seconds within the part of the tape in which accounts enter."""
    start, end = int(tape.start.timestamp()), int(tape.end.timestamp())
    first, last = float(spec.entry_from), float(spec.entry_until)
    passed = first + (last - first) * draw
    return start + np.floor((end - start) * passed).astype(np.int64)


def next_traded(instrument: NDArray[np.int8], weights: list[Decimal]) -> NDArray[np.int8]:
    """Return for each instrument the next one that is entered at all, after the last the first."""
    traded = [number for number, weight in enumerate(weights) if weight]
    following = np.zeros(len(weights), dtype=np.int8)
    following[traded] = traded[1:] + traded[:1]
    return following[instrument]


def weights_of(spec: PopulationSpec, tape: Tape) -> list[Decimal]:
    """Return the weights of the tape's instruments, in their order."""
    weights = dict(spec.symbols) or dict.fromkeys(tape.instruments.symbols, Decimal(1))
    return [weights.get(symbol, Decimal(0)) for symbol in tape.instruments.symbols]


def reactions(spec: PopulationSpec, draws: Draws, balance: Whole) -> dict[str, Any]:
    """Return who stops and who tops up, and at which equity."""
    stops = draws.uniform(Draw.STOP) < float(spec.stop_share)
    top_ups = draws.uniform(Draw.TOP_UP) < float(spec.top_up_share)
    brought = times_rate(balance, rate_units(spec.top_up_amount))
    if (brought > LARGEST - balance).any():
        raise too_large("wealth_median or top_up_amount", "an account would own")
    return {
        "stop": stops * draws.share(Draw.STOP_LEVEL, spec.stop_least, spec.stop_most),
        "top_up": top_ups * draws.share(Draw.TOP_UP_LEVEL, spec.top_up_least, spec.top_up_most),
        "top_up_amount": top_ups * brought,
    }


def values(pairs: Pairs) -> list[Decimal]:
    return [value for _, value in pairs]


def too_large(keys: str, what: str) -> StudyError:
    return StudyError(
        "", f"[population] {keys}", f"{what} more than {LARGEST // UNITS:,} USDT; make it smaller."
    )
