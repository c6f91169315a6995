"""Checks the ledger now and then and keeps what was found; one check runs at a time."""

import time
from typing import Final

import structlog
from django.utils import timezone

from kpi.models import LedgerCheck
from market.kernel.turns import Turn, only_one
from trading.history.ledger_check import ledger_differences

log = structlog.get_logger(__name__)

MOST_SHOWN: Final = 20


def check_ledger() -> LedgerCheck | None:
    """Check the ledger and store the outcome; return None when another check is running."""
    with only_one(Turn.CHECK_LEDGER) as is_only:
        if not is_only:
            return None
        started = time.monotonic()
        differences = ledger_differences()
        check = LedgerCheck.objects.create(
            checked_at=timezone.now(),
            seconds=time.monotonic() - started,
            differences=len(differences),
            details=[
                {"what": one.what, "stored": str(one.stored), "recomputed": str(one.recomputed)}
                for one in differences[:MOST_SHOWN]
            ],
        )
    if differences:
        log.error("ledger_differs", differences=len(differences))
    return check


def last_differences() -> int | None:
    """Return how many differences the last check found; None before the first."""
    checks = LedgerCheck.objects.order_by("-checked_at")
    return checks.values_list("differences", flat=True).first()
