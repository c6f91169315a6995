"""A closed period is kept day by day, and every day is checked each time."""

from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from django.core.management import CommandError, call_command

from kpi.bundles.day import Day
from trading.models import Trade


def archive(today: Day, directory: Path, *, days: int) -> None:
    """Archive today and the days after it, on the day after those."""
    until = Day(today.date + timedelta(days=days))
    with time_machine.travel(until.start + timedelta(hours=1)):
        call_command("archive", "--until", str(until), "--out", str(directory), verbosity=0)


def test_days_are_written_once_and_checked_each_time(
    today: Day, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory, trades = tmp_path / "new" / "archive", Trade.objects.count()
    archive(today, directory, days=2)
    names = [f"exchange-{today}.zip", f"exchange-{today.next}.zip"]
    assert sorted(one.name for one in directory.iterdir()) == names
    content = (directory / names[0]).read_bytes()
    archive(today, directory, days=3)
    assert len(list(directory.iterdir())) == 3
    assert (directory / names[0]).read_bytes() == content
    assert Trade.objects.count() == trades
    (directory / names[0]).write_bytes(content[:5_000] + b"?" + content[5_001:])
    capsys.readouterr()
    with pytest.raises(CommandError, match="difference"):
        archive(today, directory, days=3)
    assert names[0] in capsys.readouterr().err


def test_no_other_file_stands_for_a_whole_day(
    today: Day, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = (tmp_path / f"exchange-{day}.zip" for day in (today, today.next))
    with time_machine.travel(today.end):
        call_command("export_day", str(today), "--out", str(tmp_path), verbosity=0)
    with pytest.raises(CommandError, match="1 difference"):
        archive(today, tmp_path, days=1)
    assert "before the day was over" in capsys.readouterr().err
    first.unlink()
    archive(today, tmp_path, days=1)
    second.write_bytes(first.read_bytes())
    with pytest.raises(CommandError, match="1 difference"):
        archive(today, tmp_path, days=2)
    assert f"{second.name}: it is of another day, {today}" in capsys.readouterr().err


def test_a_period_that_goes_on_is_refused(today: Day, tmp_path: Path) -> None:
    with time_machine.travel(today.end), pytest.raises(CommandError, match="not over yet"):
        call_command("archive", "--until", str(today.next), "--out", str(tmp_path / "x"))
    assert not list(tmp_path.iterdir())
