"""The bars of 10 October 2025 that goldens need, as numbers; between them prices stand still.

Five-minute bars of BTCUSDT, from the day's first one to the low of its crash.
"""

from collections.abc import Mapping
from pathlib import Path

from tests.kpi.lab.files import candle_rows, write_rows

#: By their number in the day: open, high, low, close.
BARS = {
    0: "121662.41,121754.34,121662.41,121695.19",
    186: "119252.86,119252.86,118500,118669.25",  # 15:30
    250: "116890.8,116890.8,115145.46,115406",  # 20:50
    254: "114437.5,114639.16,109880,112209.36",  # 21:10
    255: "112209.36,112510.92,103800,103975.26",  # 21:15
}
#: Hours of the same day.
HOURS = {
    0: "121662.41,121863.74,121595.75,121745.27",
    20: "116661.5,117214.64,113039,114266.82",
    21: "114266.82,115112.69,102000,113451.86",
}
POPULATION = """account,tier,balance,symbol,side,size,leverage,entered_at
5x,beginner,24332.482,BTCUSDT,long,1,5,2025-10-10T00:00:00Z
10x,intermediate,12166.241,BTCUSDT,long,1,10,2025-10-10T00:00:00Z
20x,advanced,6083.1205,BTCUSDT,long,1,20,2025-10-10T00:00:00Z
"""
STUDY = """
seeds = [1]
[tape]
files = { BTCUSDT = "BTCUSDT.csv" }
[population]
kind = "file"
file = "three_longs.csv"
"""


def filled(known: Mapping[int, str]) -> list[str]:
    """Return all bars up to the last one that is known; between them prices stand still."""
    bars, close = [], ""
    for number in range(max(known) + 1):
        bars.append(known.get(number, ",".join([close] * 4)))
        close = bars[-1].rpartition(",")[2]
    return bars


def write_study(folder: Path) -> Path:
    """Write candles, three longs with just their required margin, and a study of both."""
    write_rows(folder / "BTCUSDT.csv", candle_rows(filled(BARS)))
    (folder / "three_longs.csv").write_text(POPULATION)
    (folder / "study.toml").write_text(STUDY)
    return folder / "study.toml"
