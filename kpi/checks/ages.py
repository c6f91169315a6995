"""How long the regular checks were not made: a check that stands still finds nothing.

Counted in intervals of each check, and only while a worker beat, so that an exchange that was
stopped for the night is not late in the morning.
"""

from datetime import datetime, timedelta
from typing import Final

from django.conf import settings

from kpi.audit.models import AuditCheck
from kpi.health.heartbeats import lived_since
from kpi.models import LedgerCheck

#: Intervals after which counting ends.
MOST: Final = 10


def ledger_check_age() -> float | None:
    """Return the intervals lived since the last ledger check; None where none is asked for."""
    last = LedgerCheck.objects.order_by("-checked_at").values_list("checked_at", flat=True).first()
    return intervals_since(last, seconds=settings.LEDGER_CHECK_INTERVAL_SECONDS)


def audit_check_age() -> float | None:
    """Return the intervals lived since the last audit check; None where none is asked for."""
    last = AuditCheck.objects.order_by("-checked_at").values_list("checked_at", flat=True).first()
    return intervals_since(last, seconds=settings.AUDIT_CHECK_INTERVAL_SECONDS)


def intervals_since(last: datetime | None, *, seconds: float) -> float | None:
    if not seconds:
        return None
    lived = lived_since(last, most=MOST * timedelta(seconds=seconds))
    return lived.total_seconds() / seconds
