"""Who trades: accounts with what they own and hold, what they will do, and how they react."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Whole = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Entries:
    """What accounts will order, sorted by time and row [E]; made before any policy is known.

    ``lots`` is signed, 0 where ``budget``, the margin to tie up in units, and ``leverage`` say how
    much; ``leverage`` is the one wanted, 0 for the highest that the tier may use. Times are seconds
    since 1970, ``exit_time`` −1 where an entry stays.
    """

    row: NDArray[np.int32]
    instrument: NDArray[np.int8]
    time: Whole
    lots: Whole
    long: NDArray[np.bool_]
    leverage: Whole
    budget: Whole
    exit_time: Whole


@dataclass(frozen=True, slots=True)
class Population:
    """Accounts by row [N], what they hold at the start [I, N], and what they will do.

    Money in units of 1e-8 USDT; ``names`` is None where an account is called by its row. ``stop``
    and ``top_up`` are levels of equity as shares of the opening balance, in 1e-8, 0 for none.
    """

    names: tuple[str, ...] | None
    tier: NDArray[np.int8]
    balance: Whole
    suspended: NDArray[np.bool_]
    lots: Whole
    cost: Whole
    margin: Whole
    reserved_margin: Whole
    reserved_notional: Whole
    entries: Entries
    stop: Whole
    top_up: Whole
    top_up_amount: Whole
    sha256: str
