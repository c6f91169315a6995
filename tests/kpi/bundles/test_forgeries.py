"""Whoever forges a bundle with hashes that fit is found out by what its rows say together."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.kpi.bundles.conftest import Files, files_of
from tests.kpi.bundles.test_verification import Change, differences, forged

Rows = list[dict[str, str]]
Edit = Callable[[Rows], object]


def table(name: str, edit: Edit) -> Change:
    """Return the change that edits the rows of a table."""

    def change(files: Files) -> None:
        file = f"{name}.csv"
        reader = csv.DictReader(io.StringIO(files[file].decode(), newline=""))
        rows, columns = list(reader), reader.fieldnames or []
        edit(rows)
        written = io.StringIO(newline="")
        writer = csv.DictWriter(written, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        files[file] = written.getvalue().encode()

    return change


def manifest(edit: Callable[[dict[str, Any]], object]) -> Change:
    """Return the change that edits the manifest."""

    def change(files: Files) -> None:
        told = json.loads(files["manifest.json"])
        edit(told)
        files["manifest.json"] = json.dumps(told).encode()

    return change


def row_with(rows: Rows, **cells: str) -> dict[str, str]:
    return next(row for row in rows if row.items() >= cells.items())


def dearer(column: str) -> Change:
    """Return the change of what a trade says that it cost or earned, by a unit."""

    def edit(rows: Rows) -> None:
        whole, _, rest = rows[0][column].partition(".")
        rows[0][column] = f"{whole}.{int(rest) ^ 1:08d}"

    return table("trades", edit)


def give_nothing(rows: Rows) -> None:
    rows[0]["amount"] = "0.00000000"


def give_itself(rows: Rows) -> None:
    rows[0]["credit_account_id"] = rows[0]["debit_account_id"]


def stand_twice(rows: Rows) -> None:
    rows[-1]["account_id"] = rows[0]["account_id"]


def owe(rows: Rows) -> None:
    row = row_with(rows, kind="user")
    row["closing"] = "-0.00000001"


def begin_with_more(rows: Rows) -> None:
    row_with(rows, kind="user")["opening"] = "0.00000001"


def round_off(rows: Rows) -> None:
    rows[0]["amount"] = rows[0]["amount"].partition(".")[0]


def swap_records(files: Files) -> None:
    lines = files["audit.jsonl"].splitlines(keepends=True)
    lines[2], lines[3] = lines[3], lines[2]
    files["audit.jsonl"] = b"".join(lines)


def drop_from_the_middle(files: Files) -> None:
    """Drop two records, and let the number of rows fit, but not the runs."""
    lines = files["audit.jsonl"].splitlines(keepends=True)
    files["audit.jsonl"] = b"".join([*lines[:3], *lines[5:]])
    manifest(lambda told: told_of(told, "audit.jsonl").update(rows=len(lines) - 2))(files)


def told_of(told: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in told["files"] if one["name"] == name)


def end_elsewhere(told: dict[str, Any]) -> None:
    told["audit"]["after"]["hash"] = "0" * 64


def add_a_cell(files: Files) -> None:
    header, first, *rest = files["trades.csv"].splitlines(keepends=True)
    files["trades.csv"] = b"".join([header, first.rstrip() + b",1\n", *rest])


def spread_a_row(files: Files) -> None:
    files["trades.csv"] += b'"' + b"\n" * 10_001 + b'"'


def name_a_statement(told: dict[str, Any]) -> None:
    told_of(told, "trades.csv")["columns"][0][0] = "id) --"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (dearer("fee"), "transfers: fee of account"),
        (dearer("realized_pnl"), "transfers: realized_pnl of account"),
        (table("transfers", give_nothing), "moves nothing"),
        (table("transfers", give_itself), "moves nothing"),
        (table("transfers", round_off), "is no amount of eight places"),
        (table("balances", stand_twice), "stands there twice"),
        (table("balances", owe), "is negative"),
        (table("balances", begin_with_more), "all balances before the day do not add up to zero"),
        (table("ticks", lambda rows: rows.pop()), "ticks.csv: it has"),
        (table("candles", lambda rows: rows[0].update(ticks="99")), "as many as the candles"),
        (swap_records, "is not in its place"),
        (drop_from_the_middle, "audit.jsonl: records 4 to 5 are missing"),
        (manifest(end_elsewhere), "is not the end of the chain that the manifest tells"),
        (add_a_cell, "row 1 has"),
        (spread_a_row, "a row goes over more than 10,000 lines"),
        (manifest(name_a_statement), "the manifest tells of columns without a plain name"),
        (
            manifest(lambda told: told["files"].append(told["files"][0])),
            "the manifest tells of a file twice",
        ),
    ],
)
def test_no_forgery_is_hidden_by_hashes_that_fit(
    bundle: Path, capsys: pytest.CaptureFixture[str], change: Change, said: str
) -> None:
    files = files_of(bundle)
    change(files)
    assert said in differences(forged(bundle, files), capsys)
