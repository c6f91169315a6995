"""What processes of a trial need to reach the test's own database."""

import os
from urllib.parse import quote

import pytest
from django.db import connection


@pytest.fixture
def environment(transactional_db: None) -> dict[str, str]:
    return environment_of_processes()


def environment_of_processes() -> dict[str, str]:
    """Return that of a process that works on the test's database, without rate limits."""
    at = connection.settings_dict
    login = quote(at["USER"]) + (f":{quote(at['PASSWORD'])}" if at["PASSWORD"] else "")
    return os.environ | {
        "DATABASE_URL": f"postgresql://{login}@{at['HOST']}:{at['PORT']}/{quote(at['NAME'])}",
        "DJANGO_SETTINGS_MODULE": "exchange_poc.settings",
        "DJANGO_SECRET_KEY": "a key of the trial, known to its processes alone",
        "PRICE_SOURCES": "simulation",
        "API_RATE_LIMIT": "off",
        "TOKEN_RATE_LIMIT": "off",
    }
