"""Recorded candles of one symbol in a CSV file, zipped or not.

So are Binance's public files (data.binance.vision) as they come: those of the spot market have no
header and begin with the columns read here, those of futures have one since 2022; time counts in
milliseconds, for spot since 2025 in microseconds. Days and months may stand one behind the other.
"""

import csv
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from io import TextIOWrapper
from pathlib import Path
from typing import Final, TextIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from market.errors import ReplayError
from market.kernel.amounts import LARGEST_INPUT, UNIT, is_valid_multiple, plain

COLUMNS: Final = ("open_time", "open", "high", "low", "close")
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: What a file without a header has in its first columns.
PUBLIC_COLUMNS: Final = (*COLUMNS, "volume")
#: What a ZIP archive begins with, an empty one too; and the mark of a member behind a password.
ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06")
ENCRYPTED: Final = 0x1
#: Where the first number of a file ends at the latest.
LONGEST_NUMBER: Final = 100
#: From here on a number of open_time means microseconds: as milliseconds it were the year 5138.
FIRST_MICROSECONDS: Final = 10**14


def files_by_symbol(arguments: Iterable[str]) -> dict[str, str]:
    """Read SYMBOL=FILE, each symbol once. Raises ReplayError."""
    files: dict[str, str] = {}
    for argument in arguments:
        symbol, _, name = argument.partition("=")
        if not symbol or not name:
            raise ReplayError(f"{argument!r} is not of the form SYMBOL=FILE.")
        if symbol.upper() in files:
            raise ReplayError(f"{symbol.upper()} is given twice; a symbol has one file.")
        files[symbol.upper()] = name
    return files


@dataclass(frozen=True, slots=True)
class Candle:
    """Prices of one symbol over one interval that begins at ``open_time``."""

    symbol: str
    open_time: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal

    def path(self) -> tuple[Decimal, ...]:
        """Return the usual guess of the way: O-L-H-C of a rising candle, O-H-L-C of a falling one.

        One that closes where it opened counts as rising.
        """
        rising = self.close >= self.open
        inner = (self.low, self.high) if rising else (self.high, self.low)
        return (self.open, *inner, self.close)


def read_candles(symbol: str, file: Path, *, tick_size: Decimal = UNIT) -> Iterator[Candle]:
    """Yield the candles of a file with the columns open_time, open, high, low and close.

    ``open_time`` is ISO 8601, or milli- or microseconds since 1970, in UTC, and must increase.
    Raises ReplayError, with the file and the line.
    """
    last: datetime | None = None
    for where, row in read_rows(file):
        candle = parse_candle(symbol, row, where, tick_size)
        if last is not None and candle.open_time <= last:
            raise ReplayError(f"{where}: time does not increase.")
        last = candle.open_time
        yield candle


def read_rows(file: Path) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield the rows of a CSV file, zipped or not, each after the words that say where it stands.

    Raises ReplayError.
    """
    line = 1
    try:
        with opened(file) as lines:
            header = None if has_header(lines) else PUBLIC_COLUMNS
            reader = csv.DictReader(lines, header, restval="", strict=True)
            reader.fieldnames = names = [column_name(name) for name in reader.fieldnames or ()]
            missing = [name for name in COLUMNS if name not in names]
            if missing:
                raise ReplayError(f"{file}, line {line}: no column {', '.join(missing)}.")
            for row in reader:
                line = reader.line_num
                # Days put one behind the other bring their headers along.
                if column_name(row["open_time"]) != "open_time":
                    yield f"{file}, line {line}", row
    except OSError as error:
        raise ReplayError(f"{file} cannot be read: {error.strerror}.") from error
    except (BadZipFile, EOFError, NotImplementedError, zlib.error) as error:
        raise ReplayError(f"{file} is no whole ZIP archive: fetch it again.") from error
    except UnicodeDecodeError as error:
        raise ReplayError(f"{file} is not in UTF-8.") from error
    except csv.Error as error:
        raise ReplayError(f"{file}, after line {line}: {error}.") from error


@contextmanager
def opened(file: Path) -> Iterator[TextIO]:
    """Open a CSV file, or the one in a ZIP archive. Raises ReplayError and what zipfile raises."""
    with file.open("rb") as content:
        is_zip = content.read(4) in ZIP
        content.seek(0)
        # Spreadsheets put a byte order mark in front.
        if not is_zip:
            yield TextIOWrapper(content, newline="", encoding="utf-8-sig")
            return
        with ZipFile(content) as archive, archive.open(only_member(file, archive)) as member:
            yield TextIOWrapper(member, newline="", encoding="utf-8-sig")


def only_member(file: Path, archive: ZipFile) -> ZipInfo:
    """Return the one file of an archive. Raises ReplayError."""
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len(members) != 1:
        raise ReplayError(f"{file} holds {len(members)} files; a symbol has one: unpack it.")
    [member] = members
    known = (ZIP_STORED, ZIP_DEFLATED)
    if member.flag_bits & ENCRYPTED or member.compress_type not in known:
        raise ReplayError(f"{file} is encrypted or packed in an uncommon way: unpack it.")
    return member


def column_name(text: str) -> str:
    """Return the name of a column as it is asked for here; ``Open time`` is ``open_time``."""
    return text.strip().lower().replace(" ", "_")


def has_header(lines: TextIO) -> bool:
    """Tell whether a file begins with names; a row of a candle begins with a number."""
    first, _, _ = lines.readline(LONGEST_NUMBER).partition(",")
    lines.seek(0)
    return not first.strip().isdecimal()


def parse_candle(symbol: str, row: Mapping[str, str], where: str, tick_size: Decimal) -> Candle:
    """Return the candle of a row. Raises ReplayError, saying where."""
    try:
        open_time = parse_time(row["open_time"])
    except (ValueError, OverflowError):
        raise ReplayError(
            f"{where}: open_time {row['open_time']!r} is neither ISO 8601 nor milli- or "
            "microseconds."
        ) from None
    prices = {name: parse_price(name, row[name], where, tick_size) for name in COLUMNS[1:]}
    candle = Candle(symbol, open_time, **prices)
    if candle.low != min(prices.values()) or candle.high != max(prices.values()):
        raise ReplayError(f"{where}: open and close must lie between low and high.")
    return candle


def parse_price(name: str, text: str, where: str, tick_size: Decimal) -> Decimal:
    """Return a price that may become a mark. Raises ReplayError, saying where."""
    try:
        price = Decimal(text)
    except InvalidOperation:
        raise ReplayError(f"{where}: {name} {text!r} is no number.") from None
    if not price.is_finite() or price <= 0:
        raise ReplayError(f"{where}: {name} must be positive, not {text}.")
    if not is_valid_multiple(price, tick_size):
        raise ReplayError(
            f"{where}: {name} {text} is no multiple of the tick size {plain(tick_size)} below "
            f"{LARGEST_INPUT:,}."
        )
    return price


def parse_time(text: str) -> datetime:
    """Read ISO 8601, or milli- or microseconds since 1970; a time without a zone is UTC."""
    if text.isdecimal():
        number = int(text)
        unit = "milliseconds" if number < FIRST_MICROSECONDS else "microseconds"
        return EPOCH + timedelta(**{unit: number})
    time = datetime.fromisoformat(text)
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
