"""Recorded prices as a table of marks: one row a step, one column an instrument."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kpi.lab.errors import StudyError
from kpi.lab.inputs.book_file import read_header
from kpi.lab.inputs.candles import Bars, aggregated, read_bars
from kpi.lab.inputs.canonical import tape_digest
from kpi.lab.inputs.crash import make_bars
from kpi.lab.inputs.specs import InstrumentSpec, Study, TapeSpec, Variant
from market.kernel.amounts import EXACT, is_multiple, plain
from risk.arrays.books import Instruments
from risk.arrays.units import LARGEST, Whole, units
from risk.state import InstrumentState

#: Steps × symbols of a tape: a process that computes its cells then stays below 1 GB.
MOST_MARKS: Final = 20_000_000


@dataclass(frozen=True, slots=True)
class Tape:
    """The way of all prices, step by step; every bar has the same number of steps.

    ``marks`` are ticks [S, I]; ``times`` the open time of a step's bar, in seconds since 1970 [S],
    ``bar`` its number [S]; ``volume`` what was traded in a bar, base asset × close, in USDT [B, I].
    ``rows`` is the number of bars, ``start`` and ``end`` when the first one opens and the last one
    closes.
    """

    instruments: Instruments
    marks: Whole
    times: Whole
    bar: NDArray[np.int32]
    volume: NDArray[np.float64]
    sha256: str
    rows: int
    start: datetime
    end: datetime

    def step_at(self, times: Whole) -> Whole:
        """Return the first step whose bar opens at or after each time; one too many if none."""
        return np.searchsorted(self.times, times, side="left")


def read_tape(study: Study, variant: Variant) -> Tape:
    """Return the tape of a study in one of its variants; kept for the next cell of this process.

    For accounts of the exchange it begins at the marks that they were taken at. Raises StudyError,
    with file and line.
    """
    tape = tape_of(study.tape, study.instruments, variant)
    if study.population.kind != "exchange":
        return tape
    return begun_at(tape, read_header(Path(study.population.file)).marks, study.population.file)


def begun_at(tape: Tape, marks: Mapping[str, Decimal], file: str) -> Tape:
    """Return the same way of prices, in proportion, from other marks on; to the nearest tick.

    Volumes stay what was traded, in USDT. A symbol without a mark keeps its prices. Raises
    StudyError, which calls ``file`` by its name.
    """
    ways = []
    for number, symbol in enumerate(tape.instruments.symbols):
        way, mark = tape.marks[:, number], marks.get(symbol)
        if mark is not None:
            tick = tape.instruments.tick[number]
            if not is_multiple(mark, tick):
                raise StudyError(file, "", f"{symbol} at {mark} is between ticks of {plain(tick)}.")
            way = in_proportion(way.tolist(), int(EXACT.divide_int(mark, tick)))
        if int(tape.instruments.unit[number]) * int(max(way)) > LARGEST:
            raise StudyError(file, "", f"a lot of {symbol} is worth too much for the lab.")
        ways.append(way)
    return replace(tape, marks=read_only(np.stack(ways, axis=1)))


def in_proportion(ticks: list[int], first: int) -> Whole:
    """Return a way of prices that begins at ``first``; no price falls below a tick."""
    return np.array([max((2 * n * first + ticks[0]) // (2 * ticks[0]), 1) for n in ticks])


@lru_cache(maxsize=16)
def tape_of(spec: TapeSpec, instruments: tuple[InstrumentSpec, ...], variant: Variant) -> Tape:
    """Return the tape of a spec. Raises StudyError."""
    if tape_digest(spec) != spec.sha256:
        raise StudyError("", "[tape]", "a file has changed since the study was read; run it anew.")
    by_symbol = {one.symbol: one for one in instruments}
    listed = [by_symbol[symbol] for symbol in sorted(spec.symbols)]
    recorded = lined_up([bars_of(spec, one) for one in listed], since=spec.start, until=spec.end)
    merged = [aggregated(bars, variant.aggregate) for bars in recorded]
    refuse_too_long(variant, bars=len(merged[0].bars), symbols=len(merged))
    paths = [path_of(bars, one, variant) for bars, one in zip(merged, listed, strict=True)]
    opens = np.array([int(bar.time.timestamp()) for bar in merged[0].bars], dtype=np.int64)
    count = paths[0].shape[1]
    return Tape(
        instruments=traded_on(listed),
        marks=read_only(np.stack([path.reshape(-1) for path in paths], axis=1)),
        times=read_only(np.repeat(opens, count)),
        bar=read_only(np.repeat(np.arange(len(opens), dtype=np.int32), count)),
        volume=read_only(np.array([[float(b.traded) for b in m.bars] for m in merged]).T),
        sha256=spec.sha256,
        rows=len(opens),
        start=merged[0].bars[0].time,
        end=recorded[0].end,
    )


def refuse_too_long(variant: Variant, *, bars: int, symbols: int) -> None:
    """Raise StudyError where a tape would take more memory than a cell should."""
    steps = bars * (1 + 3 * variant.sub_steps if variant.path == "ohlc" else variant.sub_steps)
    if steps * symbols > MOST_MARKS:
        raise StudyError(
            "",
            f"variant {variant.name!r}",
            f"{steps:,} steps of {symbols} symbols take {steps * symbols // 36_000:,} MB; a "
            f"tape has {MOST_MARKS:,} marks at most: take fewer sub_steps, more bars in aggregate, "
            "or a shorter time from start to end.",
        )


def bars_of(spec: TapeSpec, instrument: InstrumentSpec) -> Bars:
    """Return all bars of one symbol. Raises StudyError."""
    if spec.kind == "crash":
        bars = make_bars(spec.crash, instrument.symbol, instrument.tick_size)
    else:
        file = dict(spec.files)[instrument.symbol]
        bars = read_bars(instrument.symbol, file, tick_size=instrument.tick_size)
    highest = max(bar.candle.high for bar in bars.bars)
    if units(instrument.lot_size) * highest > LARGEST:
        raise StudyError(bars.file, "", f"a lot at {highest} USDT is worth more than any account.")
    return bars


def lined_up(recorded: list[Bars], *, since: datetime | None, until: datetime | None) -> list[Bars]:
    """Return what all symbols have at the same times. Raises StudyError where that is nothing."""
    first = recorded[0]
    for other in recorded[1:]:
        if other.length != first.length:
            raise StudyError(
                other.file,
                "",
                f"its bars are {other.length} long, those of {first.file} {first.length}; "
                "tapes of one study have bars of one length.",
            )
    start = max(bars.bars[0].time for bars in recorded)
    end = min(bars.end for bars in recorded)
    cut = [bars.between(max(start, since or start), min(end, until or end)) for bars in recorded]
    check_overlap(recorded, cut)
    return cut


def check_overlap(recorded: list[Bars], cut: list[Bars]) -> None:
    """Raise StudyError unless all have a bar at each time that is left, and some time is."""
    if all(bars.bars for bars in cut) and len({bars.bars[0].time for bars in cut}) == 1:
        return
    spans = "; ".join(
        f"{bars.symbol} from {bars.bars[0].time:%Y-%m-%dT%H:%MZ} to {bars.end:%Y-%m-%dT%H:%MZ}"
        for bars in recorded
    )
    raise StudyError(
        recorded[0].file, "tape", f"no bar is in all files, from start and before end: {spans}."
    )


def path_of(bars: Bars, instrument: InstrumentSpec, variant: Variant) -> Whole:
    """Return the ticks of each bar's steps [B, steps of a bar]."""
    ways = [bar.candle.path() for bar in bars.bars]
    corners = in_ticks(ways, instrument.tick_size)
    if variant.path == "ohlc":
        return points_between(corners, variant.sub_steps)
    closes = corners[:, -1]
    before = np.concatenate([corners[:1, 0], closes[:-1]])
    return points_between(np.stack([before, closes], axis=1), variant.sub_steps)[:, 1:]


def in_ticks(prices: Iterable[Iterable[Decimal]], tick_size: Decimal) -> Whole:
    """Return prices as whole numbers of ticks."""
    rows = [[int(EXACT.divide_int(price, tick_size)) for price in row] for row in prices]
    return np.array(rows, dtype=np.int64)


def points_between(corners: Whole, count: int) -> Whole:
    """Return corners with ``count`` points a segment, its end among them, to the nearest tick."""
    if count == 1:
        return corners
    ways = np.diff(corners, axis=1)[:, :, np.newaxis] * np.arange(1, count + 1)
    points = corners[:, :-1, np.newaxis] + (2 * ways + count) // (2 * count)
    return np.concatenate([corners[:, :1], points.reshape(len(corners), -1)], axis=1)


def traded_on(listed: Iterable[InstrumentSpec]) -> Instruments:
    """Return instruments as the books over arrays have them."""
    return Instruments.of(
        [
            InstrumentState(
                id=number,
                symbol=one.symbol,
                tick_size=one.tick_size,
                lot_size=one.lot_size,
                min_notional=one.min_notional,
                maker_fee_rate=one.taker_fee_rate,
                taker_fee_rate=one.taker_fee_rate,
                halted=False,
                mark_price=None,
                marked_at=None,
            )
            for number, one in enumerate(listed)
        ]
    )


def read_only(array: np.ndarray) -> np.ndarray:
    """Return an array that nobody changes, since cells share it."""
    array = np.ascontiguousarray(array)
    array.flags.writeable = False
    return array
