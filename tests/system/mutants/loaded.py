"""What trials load before they part, once for all: neither ``risk`` nor ``trading`` is among it."""

import gc
from importlib import import_module

import hypothesis
from hypothesis import strategies

for name in (
    *("pytest", "numpy", "celery", "jwt", "structlog", "prometheus_client"),
    *("django.db.backends.postgresql.base", "django.forms", "django.test", "django_redis.cache"),
    *("django.core.management.commands.migrate", "exchange_poc.settings", "tests.each"),
    *("tests.system.mutants.forks", "tests.system.mutants.repeatable"),
):
    import_module(name)


@hypothesis.given(strategies.integers())
def look_at_modules(number: int) -> None:
    """Let hypothesis look for constants in these modules, which it does before an example."""


look_at_modules()
gc.freeze()  # None of it is garbage, so that no fork need look.
