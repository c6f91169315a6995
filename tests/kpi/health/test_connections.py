"""Whoever sets up more connections than the database allows hears of it before it hurts."""

import pytest
from django.core.checks import run_checks
from pytest_django import Settings

pytestmark = pytest.mark.django_db


def test_too_many_connections_are_warned_of(settings: Settings) -> None:
    assert run_checks(databases=["default"]) == []
    settings.WEB_WORKERS = 1000
    [warning] = run_checks(databases=["default"])
    assert "are 9014 connections" in warning.msg
    assert run_checks() == []
