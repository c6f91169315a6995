"""Whoever sets up more connections than the database allows hears of it before it hurts."""

import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from pytest_django import Settings

pytestmark = pytest.mark.django_db


def told(databases: list[str] | None = None) -> list[str]:
    """What ``manage.py check`` says."""
    return [found.msg for found in run_checks(databases=databases) if not found.is_silenced()]


def test_too_many_connections_are_warned_of(settings: Settings) -> None:
    assert told(["default"]) == []
    settings.WEB_WORKERS = 1000
    [warning] = told(["default"])
    assert "are 9014 connections" in warning
    assert told() == []


def test_an_exchange_warns_of_them_as_it_starts(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.WEB_WORKERS = 1000
    call_command("seed_demo", "--migrate", "--if-empty", skip_checks=True)
    assert "are 9014 connections" in capsys.readouterr().err
