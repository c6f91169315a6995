"""How sure a mean of paired differences is: bootstrap interval and sign-flip test.

In whole numbers, with draws taken from the bits of Philox, so that every machine and every version
of NumPy gives the same digits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from risk.arrays.units import Whole

RESAMPLES: Final = 10_000
#: Order statistics of the sums of RESAMPLES resamples between which 95 % of them lie.
LOW: Final = RESAMPLES // 40 - 1
HIGH: Final = RESAMPLES - 1 - LOW
#: Up to this number of pairs all ways to flip their signs are tried; of more, RESAMPLES.
EXACT_PAIRS: Final = 14
KEY: Final = 11


@dataclass(frozen=True, slots=True)
class Certainty:
    """The 95 % interval of a mean, and the two-sided p of there being no difference."""

    low: Fraction
    high: Fraction
    p: Fraction


def certainty(differences: Sequence[int]) -> Certainty:
    """Return how sure the mean of differences is."""
    pairs = len(differences)
    column, shift = _narrowed(differences)
    sums = np.partition(column @ _resamples(pairs), (LOW, HIGH))
    extreme = int(np.sum(np.abs(column @ _flips(pairs)) >= abs(column.sum())))
    low, high = (Fraction(int(sums[place]) << shift, pairs) for place in (LOW, HIGH))
    return Certainty(low, high, _p(extreme, pairs))


def holm(ps: Sequence[Fraction]) -> list[Fraction]:
    """Return the p-values adjusted by Holm for being several, in their order."""
    adjusted, largest = list(ps), Fraction(0)
    for rank, place in enumerate(sorted(range(len(ps)), key=lambda place: ps[place])):
        largest = max(largest, (len(ps) - rank) * ps[place])
        adjusted[place] = min(largest, Fraction(1))
    return adjusted


def _narrowed(differences: Sequence[int]) -> tuple[Whole, int]:
    """Shift whole numbers right, by 0 if that will do, until their sums fit into 63 bits."""
    longest = max(abs(one) for one in differences).bit_length()
    shift = max(0, longest + len(differences).bit_length() - 62)
    return np.array([one >> shift for one in differences], np.int64), shift


@lru_cache(maxsize=4)
def _resamples(pairs: int) -> Whole:
    """Return how often each resample draws each pair."""
    drawn = (_bits(RESAMPLES * pairs) >> np.uint64(32)) * np.uint64(pairs) >> np.uint64(32)
    places = drawn.astype(np.int64).reshape(RESAMPLES, pairs)
    places += pairs * np.arange(RESAMPLES)[:, None]
    counts = np.bincount(places.ravel(), minlength=RESAMPLES * pairs)
    return np.ascontiguousarray(counts.reshape(RESAMPLES, pairs).T, np.int64)


@lru_cache(maxsize=4)
def _flips(pairs: int) -> Whole:
    """Return the signs that each flip gives to the pairs."""
    if pairs <= EXACT_PAIRS:
        ways = np.arange(1 << pairs)
        up: NDArray[Any] = ways >> np.arange(pairs)[:, None] & 1
    else:
        up = (_bits(RESAMPLES * pairs) >> np.uint64(63)).reshape(pairs, RESAMPLES)
    return 2 * up.astype(np.int64) - 1


def _p(extreme: int, pairs: int) -> Fraction:
    """Return the share of flips at least as extreme; the observation counts as one of a sample."""
    if pairs <= EXACT_PAIRS:
        return Fraction(extreme, 1 << pairs)
    return Fraction(extreme + 1, RESAMPLES + 1)


def _bits(size: int) -> NDArray[np.uint64]:
    return np.random.Philox(key=KEY).random_raw(size)
