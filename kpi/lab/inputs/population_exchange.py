"""A population taken from the running exchange: what its accounts own and hold, and no more orders.

It begins at the exchange's marks: the tape goes its recorded way from there on.
"""

from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

import numpy as np

from kpi.lab.errors import StudyError
from kpi.lab.inputs.accounts import Population
from kpi.lab.inputs.book_file import AccountLine, read_accounts
from kpi.lab.inputs.population_file import columns_of
from market.kernel.amounts import EXACT, is_multiple, plain
from risk.arrays.books import Instruments
from risk.arrays.units import Whole, units
from risk.policy import TIERS

#: What an account has in USDT beside its positions, and what a position has.
OWN = ("balance", "reserved_margin", "reserved_notional")
HELD = ("cost", "margin")


@lru_cache(maxsize=1)
def taken_population(file: str, sha256: str, instruments: Instruments) -> Population:
    """Return the accounts of a book, called by their numbers; kept for the next seed.

    ``sha256`` is that of the file. Raises StudyError.
    """
    accounts = list(read_accounts(Path(file)))
    if not accounts:
        raise StudyError(file, "", "the exchange had no account when this was taken.")
    try:
        own = {name: amounts(getattr(one, name) for one in accounts) for name in OWN}
        tier = np.array([TIERS.index(one.tier) for one in accounts], dtype=np.int8)
        held = columns_held(accounts, instruments)
    except ValueError as refused:
        raise StudyError(file, "", str(refused)) from None
    return Population.of(
        names=tuple(str(one.account) for one in accounts),
        tier=tier,
        suspended=np.array([one.suspended for one in accounts]),
        entries=columns_of([]),
        instruments=len(instruments.symbols),
        **own,
        **held,
    )


class Refused(ValueError):
    """What a study cannot take over of an account."""


def columns_held(accounts: list[AccountLine], instruments: Instruments) -> dict[str, Whole]:
    """Return lots, costs and margins [I, N]. Raises Refused."""
    shape = (len(instruments.symbols), len(accounts))
    columns = {name: np.zeros(shape, dtype=np.int64) for name in ("lots", *HELD)}
    places = {symbol: number for number, symbol in enumerate(instruments.symbols)}
    for row, account in enumerate(accounts):
        for symbol, held in account.positions.items():
            if symbol not in places:
                raise Refused(f"the exchange holds {symbol}; add candles: {symbol}=candles.csv.")
            place = places[symbol]
            columns["lots"][place, row] = lots_of(held.quantity, instruments.lot[place], symbol)
            for name in HELD:
                columns[name][place, row] = units(getattr(held, name))
    return columns


def lots_of(quantity: Decimal, lot: Decimal, symbol: str) -> int:
    """Return a signed size in lots. Raises Refused."""
    if not is_multiple(quantity, lot):
        raise Refused(
            f"a position of {plain(quantity)} {symbol} is no multiple of the study's lot_size; "
            f"give the exchange's under [[instrument]]."
        )
    return int(EXACT.divide_int(quantity, lot))


def amounts(values: Iterable[Decimal]) -> Whole:
    return np.array([units(value) for value in values], dtype=np.int64)
