"""What the database of a release is made of can still be done, long before one is released."""

from decimal import Decimal

from accounts.services import create_user
from kpi.audit.models import AuditCheck
from kpi.models import Alert, Heartbeat, LedgerCheck
from risk.models import LeverageLimit, RiskPolicy
from tests.console import exchange, seeded
from tests.system.upgrade.dump import watch_and_govern

__all__ = ["exchange", "seeded"]


def test_staff_and_beat_leave_their_traces(exchange: None) -> None:
    create_user(username="beginner-2")
    for model in (Heartbeat, LedgerCheck, AuditCheck):
        model.objects.all().delete()
    watch_and_govern()
    assert RiskPolicy.objects.get().price_collar == Decimal("0.25")
    assert LeverageLimit.objects.get(tier="advanced").max_leverage == 15
    assert Alert.objects.filter(rule__kind="mark_age").exists()
    assert Heartbeat.objects.exists()
    for check in (LedgerCheck, AuditCheck):
        assert check.objects.latest("checked_at").differences == 0
