"""Verifies the audit trail now and then and keeps what was found; one check runs at a time."""

import time
from datetime import timedelta
from typing import Final

import structlog
from django.utils import timezone

from kpi.audit.models import AuditCheck
from kpi.audit.verification import verify_audit
from kpi.ledger_checks import only_one

log = structlog.get_logger(__name__)

#: Names the advisory lock among those of this database.
LOCK: Final = 7_301_003
KEPT_FOR: Final = timedelta(days=365)
MOST_SHOWN: Final = 20


def check_audit() -> AuditCheck | None:
    """Verify the whole trail and store the outcome; return None when another check is running.

    The outcome goes to the log as well: a head that was seen outside the database cannot be
    forged together with it.
    """
    with only_one(LOCK) as is_only:
        if not is_only:
            return None
        started = time.monotonic()
        report = verify_audit()
        check = AuditCheck.objects.create(
            checked_at=timezone.now(),
            seconds=time.monotonic() - started,
            records=report.records,
            hash=report.last_hash,
            differences=report.count,
            details=[str(difference) for difference in report.differences[:MOST_SHOWN]],
        )
    tell = log.error if check.differences else log.info
    tell(
        "audit_checked",
        records=check.records,
        hash=check.hash,
        differences=check.differences,
    )
    AuditCheck.objects.filter(checked_at__lt=check.checked_at - KEPT_FOR).delete()
    return check


def last_audit_differences() -> int | None:
    """Return how many differences the last check found; None before the first."""
    checks = AuditCheck.objects.order_by("-checked_at")
    return checks.values_list("differences", flat=True).first()
