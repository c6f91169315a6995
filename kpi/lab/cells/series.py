"""The course of a cell over time, thinned to what a plot can show. Money in whole USDT."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kpi.lab.cells.outcome import Outcome
from kpi.lab.inputs.tape import Tape
from risk.arrays.units import UNITS

#: Points of a series at most.
POINTS: Final = 500


def series_of(outcome: Outcome, tape: Tape) -> dict[str, Any]:
    """Return lists of the same length by name; ``time`` is when each point's first bar opens.

    ``price`` by symbol, ``fund``, ``long`` and ``short`` (open notional by side) are those at the
    end of a point's bars; ``liquidated_long`` and ``liquidated_short`` are sums over them.
    """
    bars, count = outcome.bars, outcome.bars.fund.shape[0]
    starts = np.arange(0, count, -(-count // POINTS))
    last = np.append(starts[1:], count) - 1
    opens = tape.times[np.searchsorted(tape.bar, starts)]
    unit = tape.instruments.unit[:, None]
    return {
        "time": opens.tolist(),
        "price": {
            symbol: [str(tick * price) for price in bars.marks[i, last].tolist()]
            for i, (symbol, tick) in enumerate(
                zip(tape.instruments.symbols, tape.instruments.tick, strict=True)
            )
        },
        "fund": usdt(bars.fund[last]),
        "long": usdt((unit * bars.long_lots * bars.marks).sum(axis=0)[last]),
        "short": usdt((unit * bars.short_lots * bars.marks).sum(axis=0)[last]),
        "liquidated_long": usdt(np.add.reduceat(bars.closed_long, starts)),
        "liquidated_short": usdt(np.add.reduceat(bars.closed_short, starts)),
    }


def usdt(units: NDArray[np.int64]) -> list[int]:
    whole: list[int] = (units // UNITS).tolist()
    return whole
