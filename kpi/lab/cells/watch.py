"""Which accounts must be looked at: those that can reach a level within a block of steps.

An account's equity is linear in the marks, so that its least value over a box of marks stands at a
corner. A block of steps is tested by its box once; only accounts that may fall below a level within
it are valued at each of its steps, exactly.
"""

from typing import Final, NamedTuple

import numpy as np

from risk.arrays.books import Book
from risk.arrays.maintenance import Requirements
from risk.arrays.search import may_fall_below
from risk.arrays.units import Flags, Whole

NOBODY: Final = np.empty(0, dtype=np.int64)
#: A level that no equity falls below.
NEVER = -(2**62)


class Reached(NamedTuple):
    """The first step, counted from the first looked at, at which accounts fell below a level."""

    offset: int
    in_breach: Whole
    at_own_level: Whole


class Levels:
    """What each account's equity is held against: the close-out's level and those of its agent.

    ``by_marks`` is what positions require where that depends on the marks, in place of a level.
    """

    def __init__(self, book: Book, required: Requirements, stop: Whole, top_up: Whole) -> None:
        self.book, self.threshold = book, required.threshold
        self.by_marks = required if required.follow_marks else None
        self.stop, self.top_up = stop, top_up
        self.need = np.full_like(stop, NEVER) if self.by_marks else book.needed(self.threshold)
        self.own = np.maximum(stop, top_up)
        self.any = np.maximum(self.need, self.own)

    def update(self, rows: Whole) -> None:
        """Follow what changed of accounts: their margin, or the levels of their agents."""
        if self.by_marks is None:
            self.need[rows] = self.book.needed(self.threshold, rows)
        self.own[rows] = np.maximum(self.stop[rows], self.top_up[rows])
        self.any[rows] = np.maximum(self.need[rows], self.own[rows])


class Valued:
    """Accounts as they are now, ready to be held against their levels along steps."""

    def __init__(self, levels: Levels, rows: Whole) -> None:
        book, self.rows = levels.book, rows
        lots = book.lots[:, rows]
        held = lots.any(axis=0)
        self._base = (book.balance[rows] - book.cost[:, rows].sum(axis=0))[:, None]
        self._value_of_a_tick = (lots * book.instruments.unit[:, None])[:, :, None]
        # Whoever holds nothing any more cannot fall.
        self._any = np.where(held, levels.any[rows], NEVER)[:, None]
        self._need = np.where(held, levels.need[rows], NEVER)[:, None]
        self._own = np.where(held, levels.own[rows], NEVER)[:, None]
        self._by_marks = levels.by_marks
        self._margin = NOBODY if levels.by_marks is None else book.margin[:, rows, None]

    def below(self, marks: Whole, looks: Flags) -> tuple[Flags, Flags] | None:
        """Tell who is in breach and who at an own level at which marks [n, I], if anybody is.

        The exchange looks at steps where ``looks`` is set, agents at every one.
        """
        if not len(self.rows):
            return None
        equity = self._base + self._value_of_a_tick[0] * marks[:, 0]
        for value, path in zip(self._value_of_a_tick[1:], marks.T[1:], strict=True):
            equity += value * path
        if self._by_marks is not None:
            values = zip(self._value_of_a_tick, marks.T, strict=True)
            notional = [np.abs(value) * path for value, path in values]
            needed = self._by_marks.needed(notional, self._margin)
            return (equity < needed) & looks, equity < self._own
        if not (equity < self._any).any():
            return None
        return (equity < self._need) & looks, equity < self._own


class Watch:
    """The accounts of one block that may fall below a level, ready to be valued."""

    def __init__(self, levels: Levels) -> None:
        self.levels, self.book = levels, levels.book
        self.rows = NOBODY
        self._is_watched = np.zeros(len(self.book.balance), dtype=bool)

    def search(self, low: Whole, high: Whole) -> None:
        """Find the accounts to watch while marks [I] stay within a box."""
        self._low, self._high = low, high
        self._is_watched[self.rows] = False
        self.rows = self._may_fall(low, high)
        self._is_watched[self.rows] = True
        self._valued: Valued | None = None

    def holds(self, marks: Whole) -> bool:
        """Tell whether marks [n, I] lie in the box that was searched."""
        return bool((marks >= self._low).all() and (marks <= self._high).all())

    @property
    def valued(self) -> Valued:
        """The accounts watched, as they were when they last changed."""
        if self._valued is None:
            self._valued = Valued(self.levels, self.rows)
        return self._valued

    def changed(self, rows: Whole) -> None:
        """Follow a change of accounts: watch what of them now may fall below a level."""
        new = self.may_fall(rows)
        known = self._is_watched[rows]
        if known.any():
            self._valued, new = None, new[~self._is_watched[new]]
        if len(new):
            self.rows = np.concatenate([self.rows, new])
            self._is_watched[new] = True
            self._valued = None

    def may_fall(self, rows: Whole) -> Whole:
        """Follow the levels of accounts that changed, and return those that may fall below one."""
        self.levels.update(rows)
        return self._may_fall(self._low, self._high, rows)

    def _may_fall(self, low: Whole, high: Whole, rows: Whole | None = None) -> Whole:
        levels = self.levels
        return may_fall_below(self.book, levels.any, low, high, rows, levels.by_marks)

    def first(self, marks: Whole, looks: Flags) -> Reached | None:
        """Return what the first of the steps does whose marks [n, I] bring anybody below a level.

        The exchange looks at steps where ``looks`` is set, agents at every one.
        """
        below = self.valued.below(marks, looks)
        if below is None:
            return None
        breach, own = below
        steps = (breach | own).any(axis=0)
        if not steps.any():
            return None
        offset = int(steps.argmax())
        return Reached(
            offset, np.sort(self.rows[breach[:, offset]]), np.sort(self.rows[own[:, offset]])
        )

    def quiet(self, marks: Whole, looks: Flags, before: Valued, rows: Whole, since: Whole) -> int:
        """Return how many steps pass until anybody falls below a level at marks [n, I].

        Of ``rows``, those ``before`` count as they were then up to the step ``since``, and all as
        they are now after it.
        """
        new = self.may_fall(rows)
        number = dict(zip(rows.tolist(), since.tolist(), strict=True))
        steps, fallen = np.arange(len(marks)), np.zeros(len(marks), np.bool_)
        below = before.below(marks, looks)
        if below is not None:
            until = np.array([number.get(row, len(marks)) for row in before.rows.tolist()])
            fallen |= ((below[0] | below[1]) & (steps <= until[:, None])).any(axis=0)
        below = Valued(self.levels, new).below(marks, looks)
        if below is not None:
            after = np.array([number[row] for row in new.tolist()])
            fallen |= ((below[0] | below[1]) & (steps > after[:, None])).any(axis=0)
        return int(fallen.argmax()) if fallen.any() else len(marks)
