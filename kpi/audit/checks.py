"""Verifies the audit trail now and then and keeps what was found; one check runs at a time."""

import time
from datetime import timedelta
from typing import Final

import structlog
from django.utils import timezone

from kpi.audit.models import AuditCheck
from kpi.audit.verification import verify_audit
from market.kernel.turns import Turn, only_one

log = structlog.get_logger(__name__)

MOST_SHOWN: Final = 20
#: A regular check verifies the whole trail when that was done so long ago.
FULL_EVERY: Final = timedelta(days=1)


def check_audit(*, full: bool = True) -> AuditCheck | None:
    """Verify the trail and store the outcome; return None when another check is running.

    Unless ``full``, from where the last check ended, if that found no difference and the whole
    trail was verified within FULL_EVERY. The outcome goes to the log as well: a head that was seen
    outside the database cannot be forged together with it.
    """
    with only_one(Turn.CHECK_AUDIT) as is_only:
        if not is_only:
            return None
        started = time.monotonic()
        since = None if full else sound_check()
        report = verify_audit(since=since)
        check = AuditCheck.objects.create(
            checked_at=timezone.now(),
            seconds=time.monotonic() - started,
            records=report.records,
            hash=report.last_hash,
            is_full=since is None,
            facts=report.facts,
            differences=report.count,
            details=[str(difference) for difference in report.differences[:MOST_SHOWN]],
        )
    tell = log.error if check.differences else log.info
    tell(
        "audit_checked",
        records=check.records,
        hash=check.hash,
        differences=check.differences,
        full=check.is_full,
    )
    return check


def sound_check() -> AuditCheck | None:
    """Return the last check if the next may go on from it."""
    last = last_check()
    recent = AuditCheck.objects.filter(is_full=True, checked_at__gt=timezone.now() - FULL_EVERY)
    return last if last is not None and not last.differences and recent.exists() else None


def last_check() -> AuditCheck | None:
    return AuditCheck.objects.order_by("-checked_at").first()


def last_audit_differences() -> int | None:
    """Return how many differences the last check found; None before the first."""
    last = last_check()
    return None if last is None else last.differences
