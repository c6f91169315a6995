"""A long of 10 October 2025 under a maintenance rate of 0.4 %: how finely prices are known decides.

10x at 121,662.41 with just the margin: (121,662.41 − 12,166.241) ÷ 0.996 is 109,935.91.
"""

from decimal import Decimal
from pathlib import Path

from kpi.lab.cells.computing import EVENT_COLUMNS, events
from kpi.lab.inputs.config import read_study
from risk.maintenance import liquidation_price, read_ladders
from tests.kpi.lab.files import HEADER, candle_rows, write_rows
from tests.kpi.lab.october import BARS, HOURS, filled

D = Decimal
LADDER = "BTCUSDT 1000000: 0.004 20x"
ACCOUNTS = """account,tier,balance,symbol,side,size,leverage,entered_at
10x,intermediate,12166.241,BTCUSDT,long,1,10,2025-10-10T00:00:00Z
"""
STUDY = f"""
seeds = [1]
population = {{ kind = "file", file = "long.csv" }}
[tape]
files = {{ BTCUSDT = "BTCUSDT.csv" }}
[[policy]]
name = "brackets"
margin_mode = "brackets"
maintenance_brackets = "{LADDER}"
"""


def closed_out(folder: Path, bars: list[str], minutes: int) -> list[tuple[str, Decimal, Decimal]]:
    """Return time and mark of each close-out, and what others had to pay."""
    write_rows(folder / "BTCUSDT.csv", candle_rows(bars, minutes=minutes), HEADER)
    (folder / "long.csv").write_text(ACCOUNTS)
    (folder / "study.toml").write_text(STUDY)
    found = events(read_study(folder / "study.toml"), "brackets", 1)
    rows = [dict(zip(EVENT_COLUMNS, row, strict=True)) for row in found]
    return [
        (row["time"], D(row["mark"]), D(row["insurance_paid"]) + D(row["bad_debt"])) for row in rows
    ]


def test_the_long_breaks_at_the_published_price() -> None:
    price = liquidation_price(
        quantity=D(1),
        mark_price=D("121662.41"),
        spare=D("12166.241"),
        ladder=read_ladders(LADDER)["BTCUSDT"],
    )
    assert price == D("109935.91265060")


def test_by_hours_it_is_closed_out_at_the_low_and_others_pay(tmp_path: Path) -> None:
    assert closed_out(tmp_path, filled(HOURS), 60) == [
        ("2025-10-10T21:00:00Z", D(102_000), D("7496.169"))
    ]


def test_by_five_minutes_it_is_closed_out_in_time(tmp_path: Path) -> None:
    assert closed_out(tmp_path, filled(BARS), 5) == [("2025-10-10T21:10:00Z", D(109_880), D(0))]
