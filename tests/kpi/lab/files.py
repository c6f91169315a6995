"""Small files for studies: candles made up by hand, and the text of a study beside them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kpi.lab.inputs.config import Study, read_study

HEADER = "open_time,open,high,low,close,volume"
START = datetime(2025, 10, 10, tzinfo=UTC)
#: A rising bar, a falling one, one that closes where it opened, and one more.
BARS = ("100,110,90,105", "105,106,80,81", "81,85,80,81", "82,84,82,83")


def candle_rows(
    bars: Sequence[str] = BARS,
    *,
    start: datetime = START,
    minutes: int = 5,
    volume: str = ",2",
) -> list[str]:
    """Rows of candles, one after the other."""
    return [
        f"{start + number * timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%SZ},{bar}{volume}"
        for number, bar in enumerate(bars)
    ]


def write_rows(file: Path, rows: Sequence[str], header: str = HEADER) -> Path:
    file.write_text("\n".join([header, *rows, ""]))
    return file


def candle_file(folder: Path, symbol: str = "BTCUSDT", **facts: object) -> Path:
    return write_rows(folder / f"{symbol}.csv", candle_rows(**facts))


def study_in(folder: Path, text: str = "", *, files: str = '{ BTCUSDT = "BTCUSDT.csv" }') -> Study:
    """The study of a text; with candles of BTCUSDT where nobody has written other ones."""
    if not (folder / "BTCUSDT.csv").exists():
        candle_file(folder)
    file = folder / "study.toml"
    file.write_text(text if "[tape" in text else f"{text}\n[tape]\nfiles = {files}\n")
    return read_study(file)
