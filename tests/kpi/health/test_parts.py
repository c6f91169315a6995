"""Health says which part is missing; only a missing database is fatal."""

import pytest
from pytest_django import Settings

from kpi.tasks import beat_heart
from tests.conftest import ApiClient


def test_all_parts_are_there(anonymous: ApiClient, settings: Settings) -> None:
    beat_heart()
    answer = anonymous.get("/health")
    assert answer.status_code == 200
    parts = dict.fromkeys(("database", "cache", "worker"), "ok")
    assert answer.json() == {"status": "ok", **parts, "version": settings.VERSION}


def test_without_a_heartbeat_it_is_degraded(anonymous: ApiClient) -> None:
    answer = anonymous.get("/health")
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["worker"]) == ("degraded", "unavailable")


def test_without_the_cache_it_is_degraded(anonymous: ApiClient, settings: Settings) -> None:
    beat_heart()
    settings.CACHES = {"default": settings.CACHES["default"] | {"LOCATION": "redis://127.0.0.1:1"}}
    answer = anonymous.get("/health")
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["cache"]) == ("degraded", "unavailable")


@pytest.mark.usefixtures("db")
def test_health_needs_no_token_and_no_rate_limit(settings: Settings) -> None:
    settings.API_RATE_LIMIT = settings.TOKEN_RATE_LIMIT = "0/d"
    client = ApiClient()
    client.credentials(HTTP_AUTHORIZATION="Bearer nonsense")
    assert [client.get("/health").status_code for _ in range(3)] == [200] * 3
