"""Who trades: accounts with what they own and hold, what they will do, and how they react."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from risk.arrays.units import Whole


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

    def sorted(self) -> "Entries":
        """Return them by time and row; those of one account at one time keep their order."""
        order = np.lexsort((self.row, self.time))
        return Entries(*(getattr(self, one.name)[order] for one in fields(self)))


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

    @classmethod
    def of(
        cls,
        *,
        tier: NDArray[np.int8],
        balance: Whole,
        entries: Entries,
        instruments: int,
        names: tuple[str, ...] | None = None,
        **others: Any,
    ) -> "Population":
        """Return a population with its SHA-256; what is not said is held by nobody."""
        accounts, held = len(balance), (instruments, len(balance))
        nothing: dict[str, Any] = {
            "suspended": np.zeros(accounts, dtype=np.bool_),
            **{name: np.zeros(held, dtype=np.int64) for name in ("lots", "cost", "margin")},
            **{name: np.zeros(accounts, dtype=np.int64) for name in PER_ACCOUNT},
        }
        bare = cls(names, tier, balance, entries=entries.sorted(), sha256="", **(nothing | others))
        for array in bare.arrays():
            array.flags.writeable = False
        return replace(bare, sha256=bare.digest())

    def arrays(self) -> Iterator[NDArray[Any]]:
        """Yield all columns of accounts and entries, in the order in which they are declared."""
        for owner in (self, self.entries):
            for one in fields(owner):
                value = getattr(owner, one.name)
                if isinstance(value, np.ndarray):
                    yield value

    def digest(self) -> str:
        """Return the SHA-256 of the names and of all columns."""
        digest = hashlib.sha256("\n".join(self.names or ()).encode())
        for array in self.arrays():
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


PER_ACCOUNT = ("reserved_margin", "reserved_notional", "stop", "top_up", "top_up_amount")
