"""Holds the books of a bundle against each other: double entry, balances, positions, results.

All amounts are whole numbers of the smallest unit, so that nothing is rounded.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Final

Cells = Mapping[str, str]
#: Accounts that are kept in mind at most.
MOST_ACCOUNTS: Final = 10_000_000
UNITS: Final = 100_000_000
AMOUNT: Final = re.compile(r"-?[0-9]{1,30}\.[0-9]{8}")
#: Kinds of transfers that are the outcome of trades, which have a column of that name.
OF_TRADES: Final = ("realized_pnl", "fee")


def units(text: str) -> int:
    """Read an amount of eight places. Raises ValueError."""
    if not AMOUNT.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is no amount of eight places")
    return int(text.replace(".", ""))


class BooksCheck:
    """Takes the rows of some tables, in whatever order the tables come."""

    def __init__(self, *, ticks_are_whole: bool) -> None:
        self.ticks_are_whole = ticks_are_whole
        self.ticks: Counter[str] = Counter()
        self.in_candles: Counter[str] = Counter()
        self.opening: dict[int, int] = {}
        self.closing: dict[int, int] = {}
        self.kinds: dict[int, str] = {}
        self.moved: defaultdict[int, int] = defaultdict(int)
        self.results: dict[str, defaultdict[int, int]] = {
            kind: defaultdict(int) for kind in OF_TRADES
        }
        self.traded: dict[str, defaultdict[int, int]] = {
            kind: defaultdict(int) for kind in OF_TRADES
        }
        self.held: defaultdict[tuple[int, str], int] = defaultdict(int)
        self.filled: defaultdict[tuple[int, str], int] = defaultdict(int)
        self.takers: Mapping[str, Callable[[Cells], Iterator[str]]] = {
            "balances": self.take_balance,
            "transfers": self.take_transfer,
            "trades": self.take_trade,
            "positions": self.take_position,
            "ticks": self.take_tick,
            "candles": self.take_candle,
        }

    def take_balance(self, row: Cells) -> Iterator[str]:
        account = int(row["account_id"])
        if account in self.opening:
            yield f"account {account} stands there twice"
        if len(self.opening) >= MOST_ACCOUNTS:
            raise ValueError(f"more than {MOST_ACCOUNTS:,} accounts")
        self.kinds[account] = row["kind"]
        self.opening[account], self.closing[account] = units(row["opening"]), units(row["closing"])
        if row["kind"] == "user" and self.closing[account] < 0:
            yield f"the balance of account {account} is negative"

    def take_transfer(self, row: Cells) -> Iterator[str]:
        debit, credit = int(row["debit_account_id"]), int(row["credit_account_id"])
        amount = units(row["amount"])
        if amount <= 0 or debit == credit:
            yield f"transfer {row['id']} moves nothing"
        self.moved[debit] -= amount
        self.moved[credit] += amount
        if row["kind"] in OF_TRADES:
            self.results[row["kind"]][debit] -= amount
            self.results[row["kind"]][credit] += amount

    def take_trade(self, row: Cells) -> Iterator[str]:
        account, size = int(row["account_id"]), units(row["size"])
        if units(row["notional"]) * UNITS != size * units(row["price"]):
            yield f"trade {row['id']}: its notional is not its size times its price"
        self.traded["realized_pnl"][account] += units(row["realized_pnl"])
        self.traded["fee"][account] -= units(row["fee"])
        self.filled[account, row["symbol"]] += size if row["side"] == "buy" else -size

    def take_position(self, row: Cells) -> Iterator[str]:
        change = units(row["quantity"]) - units(row["quantity_before"])
        self.held[int(row["account_id"]), row["symbol"]] += change
        yield from ()

    def take_tick(self, row: Cells) -> Iterator[str]:
        self.ticks[row["symbol"]] += 1
        yield from ()

    def take_candle(self, row: Cells) -> Iterator[str]:
        self.in_candles[row["symbol"]] += int(row["ticks"])
        yield from ()

    def differences(self) -> Iterator[tuple[str, str]]:
        """Yield (table, what is wrong) of all of them together."""
        for total, when in ((self.opening, "before the day"), (self.closing, "at its end")):
            if sum(total.values()):
                yield "balances", f"all balances {when} do not add up to zero"
        for account in sorted({*self.opening, *self.moved}):
            expected = self.opening.get(account, 0) + self.moved.get(account, 0)
            if expected != self.closing.get(account, 0):
                yield "balances", f"account {account}: its transfers do not lead to its balance"
        for kind in OF_TRADES:
            yield from self.wrong_results(kind)
        for account, symbol in sorted({*self.held, *self.filled}):
            if self.held[account, symbol] != self.filled[account, symbol]:
                yield "positions", f"account {account}: {symbol} is not what its trades lead to"
        if self.ticks_are_whole and self.ticks != self.in_candles:
            yield "ticks", "they are not as many as the candles were made of"

    def wrong_results(self, kind: str) -> Iterator[tuple[str, str]]:
        """Hold what trades earned and cost against what the ledger moved for them."""
        traded, booked = self.traded[kind], self.results[kind]
        for account in sorted({*traded, *booked}):
            if self.kinds.get(account) == "user" and traded[account] != booked[account]:
                yield "transfers", f"{kind} of account {account} is not that of its trades"
