"""A hundred restores of demo data, each after some trading: the same state to the row every time.

Run by ``make test ARGS="tests/system/experiments/trial_restores.py -s"``; takes minutes.
"""

import statistics
from decimal import Decimal

import pytest

from accounts.models import User
from kpi.experiments import services
from kpi.experiments.state import present_state
from risk.engine import Intent
from trading.services import place_order
from trading.steps.patient import run_market_step_when_free

RESTORES = 100


def test_a_hundred_restores_are_identical(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "QUIET", services.QUIET * 0)
    user = User.objects.get(username="beginner")
    state = services.save_experiment(name="hundred").state
    seconds = []
    for _ in range(RESTORES):
        run_market_step_when_free()
        place_order(user_id=user.pk, intent=Intent("BTCUSDT", True, Decimal("0.01")))
        restored = services.restore_experiment(name="hundred")
        seconds.append(restored.seconds)
        assert restored.before != state
        assert present_state() == state
    print(
        f"\n{RESTORES} restores, identical: ledger {state.ledger_head}, audit {state.audit_head}; "
        f"standstill {statistics.median(seconds):.2f} s median, {max(seconds):.2f} s at most"
    )
