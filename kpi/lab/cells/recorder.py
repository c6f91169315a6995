"""Writes down what a cell does, as it does it, and gives it back as columns."""

from collections import Counter

import numpy as np

from kpi.lab.cells.outcome import Bars, CloseOuts, Legs, Sample
from kpi.lab.inputs.tape import Tape
from risk.arrays.books import Book
from risk.arrays.closing import CloseOuts as Closed
from risk.arrays.placing import Placed
from risk.arrays.refusals import CODES
from risk.arrays.units import Whole, total

#: How often the open accounts are looked at over a tape, for leverage and liquidity at risk.
SAMPLES = 24


class Recorder:
    """What has happened in a cell by now."""

    def __init__(self, book: Book, tape: Tape) -> None:
        self.book, self.tape = book, tape
        self.orders = self.volume = 0
        self.refused: Counter[str] = Counter()
        self.samples: list[Sample] = []
        self._closed: list[tuple[int, Closed, Whole, Whole]] = []
        shape = (len(book.lots), len(tape.volume))
        self.bars = Bars(*(np.zeros(shape, np.int64) for _ in range(3)), *(
            np.zeros(shape[1], np.int64) for _ in range(3)
        ))  # fmt: skip
        self._sample_every = max(shape[1] // SAMPLES, 1)

    def placed(self, placed: Placed) -> None:
        """Note what orders did."""
        self.orders += len(placed.code)
        self.volume += total(placed.notional)
        if placed.code.any():
            refused = placed.code[placed.code > 0].tolist()
            self.refused.update(str(CODES[code]) for code in refused)

    def closed(self, step: int, closed: Closed, paid: Whole, bad_debt: Whole) -> None:
        """Note the close-outs of one step."""
        self._closed.append((step, closed, paid, bad_debt))
        legs, unit = closed.legs, self.book.instruments.unit
        notional = unit[legs.instrument] * legs.lots * legs.mark
        bar = int(self.tape.bar[step])
        self.bars.closed_long[bar] += int(notional[notional > 0].sum())
        self.bars.closed_short[bar] -= int(notional[notional < 0].sum())

    def bars_end(self, bar: int, marks: Whole, long: Whole, short: Whole, fund: int) -> None:
        """Note where bars from one on ended: at marks [b, I], with lots [I, b] open.

        Only the last of them may be one that ``next_sample`` names.
        """
        bars, ended = self.bars, slice(bar, bar + len(marks))
        bars.marks[:, ended], bars.fund[ended] = marks.T, fund
        bars.long_lots[:, ended], bars.short_lots[:, ended] = long, short
        if self.next_sample(ended.stop - 1) == ended.stop - 1:
            step = ended.stop * (len(self.tape.marks) // len(bars.fund)) - 1
            self.samples.append(self._sample(step, marks[-1]))

    def next_sample(self, bar: int) -> int:
        """Return the first bar from one on at whose end the open accounts are looked at."""
        return -(-bar // self._sample_every) * self._sample_every

    def _sample(self, step: int, marks: Whole) -> Sample:
        book = self.book
        rows = np.flatnonzero(book.lots.any(axis=0))
        held = book.lots[:, rows], book.equity(marks, rows), book.margin[:, rows]
        return Sample(step, rows, *held)

    def close_outs(self) -> CloseOuts:
        names = ("balance_before", "equity_before", "margin_before", "fee")
        columns = {name: join([getattr(c, name) for _, c, _, _ in self._closed]) for name in names}
        return CloseOuts(
            row=join([c.rows for _, c, _, _ in self._closed]),
            step=join([np.full(len(c.rows), step) for step, c, _, _ in self._closed]),
            paid=join([paid for _, _, paid, _ in self._closed]),
            bad_debt=join([bad_debt for _, _, _, bad_debt in self._closed]),
            balance_after=join([c.balance_after for _, c, _, _ in self._closed]),
            **columns,
        )

    def legs(self) -> Legs:
        starts = np.cumsum([0, *(len(c.rows) for _, c, _, _ in self._closed)])
        all_legs = [c.legs for _, c, _, _ in self._closed]
        names = ("instrument", "lots", "mark", "realized", "fee")
        before = ("balance_before", "equity_before", "margin_before")
        return Legs(
            close_out=join(
                [legs.close_out + start for legs, start in zip(all_legs, starts, strict=False)]
            ),
            **{name: join([getattr(legs, name) for legs in all_legs]) for name in names + before},
        )


def join(parts: list[Whole]) -> Whole:
    return np.concatenate(parts).astype(np.int64) if parts else np.empty(0, np.int64)
