"""A day in Parquet: the same bytes each time, with types, and checked row by row."""

import sys
from pathlib import Path

import duckdb
import pytest
from django.core.management import CommandError

from kpi.bundles.parquet import database
from tests.kpi.bundles.conftest import Export, files_of
from tests.kpi.bundles.test_verification import differences, forged, verify
from trading.models import Trade


def test_a_day_in_parquet_has_the_same_rows_with_their_types_and_is_checked(
    export: Export,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = export("--format", "parquet", name="typed.zip")
    assert export("--format", "parquet", name="again.zip").read_bytes() == path.read_bytes()
    files = files_of(path)
    (tmp_path / "trades.parquet").write_bytes(files["trades.parquet"])
    trades = duckdb.read_parquet(str(tmp_path / "trades.parquet"))
    assert trades.project("id, price, created_at").fetchall() == [
        (trade.pk, trade.price, trade.created_at.replace(tzinfo=None))
        for trade in Trade.objects.order_by("id")
    ]
    verify(path)
    without_the_lab_it_is_refused_in_a_sentence(path, monkeypatch)
    files["trades.parquet"] = files["orders.parquet"]
    assert "trades.parquet: " in differences(forged(path, files), capsys)


def without_the_lab_it_is_refused_in_a_sentence(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.cache_clear()
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "duckdb", None)
        with pytest.raises(CommandError, match="make lab"):
            verify(path)
