"""The parts of a study file that say where and with whom: tape, instruments, population."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from kpi.lab.errors import StudyError
from kpi.lab.inputs.canonical import file_digest, tape_digest
from kpi.lab.inputs.keys import shown
from kpi.lab.inputs.specs import INSTRUMENTS, CrashSpec, InstrumentSpec, PopulationSpec, TapeSpec
from kpi.lab.inputs.tables import Table
from market.kernel.amounts import UNIT, is_multiple

#: Takes the exchange's accounts into a file.
Take = Callable[[Path], None]

#: Fewer than an int8 counts.
MOST_SYMBOLS: Final = 100
#: What these keys may not be below.
ORDERED: Final = (
    ("entry_from", "entry_until"),
    ("stop_least", "stop_most"),
    ("top_up_least", "top_up_most"),
)


def read_tape_spec(document: Table, overrides: Mapping[str, str]) -> TapeSpec:
    """Return where prices come from; files of ``overrides`` take the place of others.

    Raises StudyError.
    """
    table = document.table("tape")
    values = table.read_keys(TapeSpec, besides={"files", "crash"})
    files = table.table("files")
    if overrides:
        values["kind"] = "files"
    crash = CrashSpec(**table.table("crash").read_keys(CrashSpec))
    if values.get("kind") == "crash":
        if files.values:
            raise table.error("files", 'a tape of kind = "crash" has no files.')
        spec = TapeSpec(**values, crash=crash)
    else:
        spec = TapeSpec(**values, files=read_files(files, overrides))
    if spec.start and spec.end and spec.start >= spec.end:
        raise table.error("end", "it is after start.")
    return replace(spec, sha256=tape_digest(spec))


def read_files(files: Table, overrides: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return files of candles by symbol, in the order of symbols. Raises StudyError."""
    for symbol, file in files.values.items():
        if not isinstance(file, str) or not file:
            raise files.error(symbol, f"the name of a file, not {shown(file)}.")
    named = {symbol: files.beside(file) for symbol, file in files.values.items()}
    named.update(overrides)
    if not named:
        raise StudyError(
            files.file,
            "[tape] files",
            'missing; it is a table such as { BTCUSDT = "btc.csv" }. Or name files behind the '
            'study: BTCUSDT=btc.csv. A tape of kind = "crash" needs none.',
        )
    return tuple(sorted(named.items()))


def read_instruments(document: Table, tape: TapeSpec) -> tuple[InstrumentSpec, ...]:
    """Return the rules of each symbol of the tape, in their order. Raises StudyError."""
    listed: dict[str, InstrumentSpec] = {}
    for table in document.tables("instrument"):
        spec = read_instrument(table)
        if spec.symbol in listed:
            raise table.error("symbol", f"{spec.symbol} is listed twice.")
        listed[spec.symbol] = spec
    if len(tape.symbols) > MOST_SYMBOLS:
        raise document.error("tape", f"it has {len(tape.symbols)} symbols; at most {MOST_SYMBOLS}.")
    known = INSTRUMENTS | listed
    for symbol in tape.symbols:
        if symbol not in known:
            raise document.error(
                "instrument",
                f"none for {symbol}; add [[instrument]] with symbol, tick_size and lot_size.",
            )
    return tuple(known[symbol] for symbol in sorted(tape.symbols))


def read_instrument(table: Table) -> InstrumentSpec:
    """Return the rules of one symbol; known ones keep what is not said. Raises StudyError."""
    values = table.read_keys(InstrumentSpec)
    symbol = table.needed("symbol", "the symbol that the rules are for")
    if symbol in INSTRUMENTS:
        spec = replace(INSTRUMENTS[symbol], **values)
    else:
        for key in ("tick_size", "lot_size"):
            table.needed(key, "a number")
        spec = InstrumentSpec(**values)
    if not is_multiple(spec.tick_size * spec.lot_size, UNIT):
        raise table.error("lot_size", "tick_size × lot_size is a multiple of 0.00000001.")
    return spec


def read_population_spec(table: Table, tape: TapeSpec, take: Take | None) -> PopulationSpec:
    """Return who trades. Raises StudyError."""
    values = table.read_keys(PopulationSpec)
    if "file" in values:
        values["file"] = table.beside(values["file"])
    spec = PopulationSpec(**values)
    if spec.kind == "file":
        table.needed("file", "a CSV file, since kind is file")
    elif spec.kind == "exchange":
        spec = replace(spec, file=spec.file or str(Path(table.file).with_suffix(".book.jsonl")))
        take_once(table, spec.file, take)
    elif spec.file:
        raise table.error("file", 'only a population of kind "file" or "exchange" has one.')
    if spec.file:
        spec = replace(spec, sha256=file_digest(spec.file))
    check_population(table, spec, tape)
    return spec


def take_once(table: Table, file: str, take: Take | None) -> None:
    """Take the exchange's accounts into a file, unless it is there. Raises StudyError."""
    if Path(file).exists():
        return
    if take is None:
        raise table.error("kind", f"{file} has no accounts yet; lab check takes them.")
    take(Path(file))


def check_population(table: Table, spec: PopulationSpec, tape: TapeSpec) -> None:
    """Raise StudyError where two keys do not fit each other."""
    if sum(share for _, share in spec.tiers) != 1:
        raise table.error("tiers", "the shares add up to 1.")
    if spec.used_least + spec.used_span > 1:
        raise table.error("used_span", "used_least + used_span is 1 at most.")
    for least, most in ORDERED:
        if getattr(spec, least) > getattr(spec, most):
            raise table.error(most, f"it is not below {least}.")
    for symbol, _ in spec.symbols:
        if symbol not in tape.symbols:
            raise table.error("symbols", f"the tape has no {symbol}.")
