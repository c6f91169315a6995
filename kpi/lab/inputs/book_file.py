"""The file that keeps the running exchange's accounts for a study, so that all its cells see one.

A line of JSON for the moment it was taken at, with the marks by symbol, then one an account, by its
number. Amounts are texts.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple

from kpi.lab.errors import StudyError
from market.kernel.amounts import plain


class Header(NamedTuple):
    """When a book was taken, and the exchange's marks by then."""

    taken_at: datetime
    marks: Mapping[str, Decimal]


class Held(NamedTuple):
    """An open position; amounts in USDT, ``quantity`` is negative for a short."""

    quantity: Decimal
    cost: Decimal
    margin: Decimal


class AccountLine(NamedTuple):
    """An account of the exchange with what it holds, by symbol; amounts in USDT."""

    account: int
    tier: str
    suspended: bool
    balance: Decimal
    reserved_margin: Decimal
    reserved_notional: Decimal
    positions: Mapping[str, Held]


def write_book(path: Path, header: Header, accounts: Iterable[AccountLine]) -> None:
    """Write a book, all of it or nothing. Raises StudyError."""
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("w", encoding="utf-8") as lines:
            lines.write(as_line(header._asdict()))
            lines.writelines(as_line(account._asdict()) for account in accounts)
        part.replace(path)
    except OSError as error:
        raise StudyError(str(path), "", f"it cannot be written: {error.strerror}.") from error
    finally:
        part.unlink(missing_ok=True)


def as_line(record: Mapping[str, Any]) -> str:
    return json.dumps(record, default=as_text) + "\n"


def as_text(value: Decimal | datetime) -> str:
    return plain(value) if isinstance(value, Decimal) else value.isoformat()


def read_header(path: Path) -> Header:
    """Return when a book was taken, and the marks. Raises StudyError."""
    for record in records(path):
        if isinstance(record, Header):
            return record
    raise StudyError(str(path), "", "it is empty; delete it to take the accounts anew.")


def read_accounts(path: Path) -> Iterator[AccountLine]:
    """Yield the accounts of a book. Raises StudyError."""
    return (record for record in records(path) if isinstance(record, AccountLine))


def records(path: Path) -> Iterator[Header | AccountLine]:
    """Yield what the lines of a book say. Raises StudyError, with file and line."""
    number = 1
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                yield (account_of if number > 1 else header_of)(json.loads(line))
    except OSError as error:
        raise StudyError(str(path), "", f"it cannot be read: {error.strerror}.") from error
    except (ValueError, TypeError, KeyError, AttributeError, InvalidOperation) as error:
        raise StudyError(
            f"{path}, line {number}", "", "no line of a book; delete it to take the accounts anew."
        ) from error


def header_of(values: Any) -> Header:
    marks = {symbol: Decimal(mark) for symbol, mark in values["marks"].items()}
    return Header(datetime.fromisoformat(values["taken_at"]), marks)


def account_of(values: Any) -> AccountLine:
    amounts = ("balance", "reserved_margin", "reserved_notional")
    positions = {symbol: Held(*map(Decimal, held)) for symbol, held in values["positions"].items()}
    return AccountLine(
        **(values | {name: Decimal(values[name]) for name in amounts} | {"positions": positions})
    )
