"""``migrate`` takes over no data of another version, and says how to start anew."""

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from market.management.commands import migrate
from market.management.commands.migrate import foreign
from market.models import MarketClock
from tests.each import each

OURS = {("market", "0001_tables"), ("market", "0002_guards"), ("auth", "0001_initial")}


@pytest.mark.django_db
def test_data_from_before_are_refused_and_stay_as_they_are() -> None:
    recorder = MigrationRecorder(connection)
    recorder.migration_qs.filter(app="market").delete()
    recorder.record_applied("market", "0010_instrument_steps")
    applied = set(recorder.applied_migrations())
    with pytest.raises(CommandError, match=r"from before .* market\.0010_instrument_steps.*anew"):
        call_command("migrate")
    assert set(recorder.applied_migrations()) == applied
    assert MarketClock.objects.count() == 1


@pytest.mark.django_db
def test_data_of_this_version_pass(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("migrate", "--plan")
    assert "No planned migration operations." in capsys.readouterr().out


@each(
    ("applied", "said"),
    [
        (set(), ""),
        (OURS, ""),
        ({("market", "0001_tables")}, ""),
        ({*OURS, ("auth", "0099_gone"), ("removed", "0001_initial")}, ""),
        ({("market", "0001_initial")}, "from before this version"),
        ({*OURS, ("market", "0004_new_column")}, "from after this version"),
    ],
)
def test_a_migration_of_ours_that_is_unknown_tells_another_version(
    applied: set[tuple[str, str]], said: str
) -> None:
    assert (said in foreign(applied, known=OURS)) if said else foreign(applied, known=OURS) == ""


@pytest.mark.django_db
def test_two_migrate_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "PATIENCE", "200ms")
    with (
        migrate.one_after_the_other(connection),
        pytest.raises(CommandError, match="Another migrate has this database"),
    ):
        call_command("migrate")
    call_command("migrate", "--plan")
