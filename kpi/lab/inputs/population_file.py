"""A population from a CSV file: a row per entry, several rows an account."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from math import ceil
from pathlib import Path
from typing import Final

import numpy as np

from kpi.lab.errors import StudyError
from kpi.lab.inputs.accounts import Entries, Population
from kpi.lab.inputs.keys import is_line
from kpi.lab.inputs.tape import Tape
from market.candle_files import parse_time
from market.kernel.amounts import EXACT, is_valid_multiple, plain
from risk.arrays.units import LARGEST, UNITS, units
from risk.leverage import HIGHEST_LEVERAGE
from risk.policy import TIERS

#: What an account has, and what each of its entries has.
OWN: Final = ("account", "tier", "balance")
ENTERED: Final = ("symbol", "side", "size", "leverage", "entered_at")
SIDES: Final = {"long": 1, "short": -1}


@dataclass(frozen=True, slots=True)
class Account:
    """What all rows of an account say."""

    row: int
    tier: str
    balance: int


@dataclass(frozen=True, slots=True)
class Entry:
    """What a row orders; lots are signed, a leverage of 0 is the tier's highest."""

    row: int
    instrument: int
    time: int
    lots: int
    leverage: int


class Refused(ValueError):
    """What is wrong with a row."""


def read_population(file: str, tape: Tape) -> Population:
    """Return the accounts of a file, in the order in which they first appear.

    Raises StudyError, with file and line.
    """
    accounts: dict[str, Account] = {}
    entries: list[Entry] = []
    for line, row in read_rows(file):
        try:
            account = read_account(row, accounts)
            if any(row[column] for column in ENTERED):
                entries.append(read_entry(row, account, tape))
        except Refused as refused:
            raise StudyError(f"{file}, line {line}", "", str(refused)) from None
    if not accounts:
        raise StudyError(file, "", "it has no account; add a row for each entry.")
    return Population.of(
        names=tuple(accounts),
        tier=np.array([TIERS.index(one.tier) for one in accounts.values()], dtype=np.int8),
        balance=np.array([one.balance for one in accounts.values()], dtype=np.int64),
        entries=columns_of(entries),
        instruments=len(tape.instruments.symbols),
    )


def read_rows(file: str) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield the rows of a file after their line numbers. Raises StudyError."""
    line = 1
    try:
        with Path(file).open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines, restval="", restkey="more", strict=True)
            check_columns(file, reader.fieldnames or ())
            for row in reader:
                line = reader.line_num
                if "more" in row:
                    raise StudyError(f"{file}, line {line}", "", "more values than columns.")
                yield line, {name: value.strip() for name, value in row.items()}
    except OSError as error:
        raise StudyError(file, "", f"it cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise StudyError(file, "", "it is not in UTF-8.") from error
    except csv.Error as error:
        raise StudyError(f"{file}, after line {line}", "", f"{error}.") from error


def check_columns(file: str, names: Sequence[str]) -> None:
    """Raise StudyError unless a file has each column once, and no other."""
    if sorted(names) != sorted((*OWN, *ENTERED)):
        raise StudyError(
            f"{file}, line 1", "", f"the columns are {', '.join((*OWN, *ENTERED))}, each once."
        )


def read_account(row: Mapping[str, str], accounts: dict[str, Account]) -> Account:
    """Return the account of a row, a new one or one of an earlier row. Raises Refused."""
    name, tier = row["account"], row["tier"]
    if not name or not is_line(name):
        raise Refused(f"account: a name of one line, not {name!r}.")
    if tier not in TIERS:
        raise Refused(f"tier: one of {', '.join(TIERS)}, not {tier!r}.")
    account = Account(len(accounts), tier, read_balance(row["balance"]))
    before = accounts.setdefault(name, account)
    if (before.tier, before.balance) != (account.tier, account.balance):
        raise Refused(f"tier and balance of account {name!r} differ from those of an earlier row.")
    return before


def read_balance(text: str) -> int:
    """Return a balance in units. Raises Refused."""
    try:
        balance = units(read_number("balance", text))
    except ValueError:
        balance = -1
    if balance < 0:
        raise Refused(
            f"balance: USDT from 0 to {LARGEST // UNITS:,} with 8 places at most, not {text!r}."
        )
    return balance


def read_entry(row: Mapping[str, str], account: Account, tape: Tape) -> Entry:
    """Return what a row orders. Raises Refused."""
    symbols = tape.instruments.symbols
    if row["symbol"] not in symbols:
        raise Refused(f"symbol: one of {', '.join(symbols)}, not {row['symbol']!r}.")
    if row["side"] not in SIDES:
        raise Refused(f"side: one of {', '.join(SIDES)}, not {row['side']!r}.")
    instrument = symbols.index(row["symbol"])
    lots = read_lots(row["size"], instrument, tape)
    return Entry(
        account.row,
        instrument,
        read_time(row["entered_at"], tape),
        SIDES[row["side"]] * lots,
        read_leverage(row["leverage"]),
    )


def read_lots(text: str, instrument: int, tape: Tape) -> int:
    """Return a size in lots. Raises Refused, also where it would be worth too much on this tape."""
    size, lot = read_number("size", text), tape.instruments.lot[instrument]
    if not is_valid_multiple(size, lot):
        raise Refused(f"size: a positive multiple of {plain(lot)}, not {text!r}.")
    lots = int(EXACT.divide_int(size, lot))
    highest = int(tape.marks[:, instrument].max())
    if lots * highest * int(tape.instruments.unit[instrument]) > LARGEST:
        raise Refused(f"size: {text} is worth more than {LARGEST // UNITS:,} USDT on this tape.")
    return lots


def read_leverage(text: str) -> int:
    """Return a leverage; 0 for an empty one. Raises Refused."""
    if not text:
        return 0
    is_short = text.isascii() and text.isdecimal() and len(text) <= len(str(HIGHEST_LEVERAGE))
    leverage = int(text) if is_short else 0
    if not 1 <= leverage <= HIGHEST_LEVERAGE:
        raise Refused(
            f"leverage: a whole number from 1 to {HIGHEST_LEVERAGE}, or nothing for the tier's "
            f"highest, not {text!r}."
        )
    return leverage


def read_time(text: str, tape: Tape) -> int:
    """Return a time in seconds, a part of one rounded up. Raises Refused."""
    try:
        moment = parse_time(text)
    except (ValueError, OverflowError):
        raise Refused(f"entered_at: a time such as 2025-10-10T00:00:00Z, not {text!r}.") from None
    seconds = ceil(moment.timestamp())
    if seconds > int(tape.times[-1]):
        raise Refused(f"entered_at: {text} is after the last bar of the tape opens.")
    return seconds


def read_number(name: str, text: str) -> Decimal:
    """Return a finite number. Raises Refused."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise Refused(f"{name}: a number, not {text!r}.")
    return number


def columns_of(entries: list[Entry]) -> Entries:
    """Return entries as columns; each stays until it is closed out."""
    lots = np.array([one.lots for one in entries], dtype=np.int64)
    return Entries(
        row=np.array([one.row for one in entries], dtype=np.int32),
        instrument=np.array([one.instrument for one in entries], dtype=np.int8),
        time=np.array([one.time for one in entries], dtype=np.int64),
        lots=lots,
        long=lots > 0,
        leverage=np.array([one.leverage for one in entries], dtype=np.int64),
        budget=np.zeros(len(entries), dtype=np.int64),
        exit_time=np.full(len(entries), -1, dtype=np.int64),
    )
