"""Orders of 64 clients at once: no limit overshot, nothing lost, doubled or stuck.

``TRIAL_ORDERS=157`` lets each client place so many, ten thousand in all, as ``.ci/run`` does. The
usual few thousand reach the threshold as well, and all that is asserted: the rest repeats it.

Marks only fall here, so that a revaluation alone never lifts exposure: whatever the watcher sees
above the threshold is the fault of an order.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.db import connection

from accounts.models import Tier
from accounts.services import create_user, fund_insurance
from market.services import list_instrument
from risk.engine import Intent
from risk.models import GlobalExposure, RiskPolicy
from tests.system.trials.clients import MARKS
from tests.waiting import wait_for
from trading.api.serializers import PLACEMENT
from trading.history.ledger_check import ledger_differences
from trading.models import Liquidation, Order
from trading.orders.tickets import first_answer_of
from trading.services import place_order
from trading.steps.by_hand import step_at_prices

D = Decimal
PROCESSES, THREADS = 4, 16
ORDERS_EACH = int(os.environ.get("TRIAL_ORDERS", "40"))
ACCOUNTS = 12
#: Accounts without a client that are closed out when marks have fallen by some 5 %.
BYSTANDERS = 8
THRESHOLD = D(3_000_000)

pytestmark = pytest.mark.django_db(transaction=True)

# Notes equity and margin at the moment when an order that opens is booked, past all Python.
NOTE_ACCEPTANCE = """
CREATE TABLE trial_acceptance (order_id bigint, equity numeric, margin numeric, slack numeric);
CREATE FUNCTION note_acceptance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO trial_acceptance
    SELECT NEW.id, account.balance + held.profit, held.margin + coalesce(m.reserved_margin, 0),
           -- The mark of another instrument may have fallen by a few steps since the decision.
           CASE WHEN held.instruments > 1 THEN held.exposure * 0.01 ELSE 0 END
    FROM accounts_account AS account
    LEFT JOIN risk_reservation AS m ON m.account_id = account.id
    CROSS JOIN (
        SELECT coalesce(sum(p.quantity * e.mark_price - p.cost), 0) AS profit,
               coalesce(sum(p.margin), 0) AS margin, count(*) AS instruments,
               coalesce(sum(abs(p.quantity) * e.mark_price), 0) AS exposure
        FROM risk_position AS p JOIN risk_instrumentexposure AS e USING (instrument_id)
        WHERE p.account_id = NEW.account_id AND p.status = 'OPEN'
    ) AS held
    WHERE account.id = NEW.account_id;
    RETURN NULL;
END $$;
CREATE TRIGGER note_acceptance AFTER INSERT ON trading_order
    FOR EACH ROW WHEN (NEW.status <> 'REJECTED' AND NEW.required_margin > 0)
    EXECUTE FUNCTION note_acceptance();
"""
FORGET_ACCEPTANCES = """
DROP TRIGGER note_acceptance ON trading_order;
DROP FUNCTION note_acceptance;
DROP TABLE trial_acceptance;
"""


class Trial(NamedTuple):
    """What a trial left behind, besides the database."""

    answers: list[dict[str, Any]]
    totals: list[Decimal]
    steps: int
    deadlocks: int
    seconds: float

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        return [answer for answer in self.answers if answer["kind"] == kind]


@pytest.fixture
def user_ids() -> list[int]:
    """Accounts that together may take far more than the threshold."""
    for symbol in MARKS:
        list_instrument(
            reason="A test",
            symbol=symbol,
            base_asset=symbol[:3],
            tick_size=D("0.01"),
            lot_size=D("0.001"),
        )
    step_at_prices({symbol: D(price) for symbol, price in MARKS.items()})
    RiskPolicy.objects.update(global_exposure_threshold=THRESHOLD)
    fund_insurance(amount=D(1_000_000), reason="Trial")
    users = [
        create_user(username=f"trial{n}", tier=Tier.INTERMEDIATE, opening_balance=D(40_000))
        for n in range(ACCOUNTS)
    ]
    for n in range(BYSTANDERS):
        bystander = create_user(
            username=f"bystander{n}", tier=Tier.INTERMEDIATE, opening_balance=D(1_000)
        )
        place_order(user_id=bystander.pk, intent=Intent("BTCUSDT", True, D("0.15")))
    return [user.pk for user in users]


@contextmanager
def repeatedly(act: Callable[[], None], *, pause: float) -> Iterator[None]:
    """Call ``act`` in a thread until the block ends; what it raises fails the test."""
    over, faults = threading.Event(), []

    def loop() -> None:
        try:
            while not over.wait(pause):
                act()
        except BaseException as error:
            faults.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert not faults, faults


def scalar(sql: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


def deadlocks() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
    return scalar("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")


def run_trial(environment: dict[str, str], user_ids: list[int], directory: Path) -> Trial:
    """Let all clients loose while marks fall and a watcher looks at the total."""
    totals: list[Decimal] = []
    marks = {symbol: D(price) for symbol, price in MARKS.items()}
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1
        marks.update({s: (price * D("0.998")).quantize(D("0.01")) for s, price in marks.items()})
        step_at_prices(marks)

    began, before = time.perf_counter(), deadlocks()
    numbers = (PROCESSES, THREADS, ORDERS_EACH, *user_ids)
    command = [sys.executable, "-m", "tests.system.trials.clients", directory, *map(str, numbers)]
    with (
        repeatedly(lambda: totals.append(GlobalExposure.objects.get().total), pause=0.005),
        repeatedly(step, pause=0.1),
    ):
        ended = subprocess.run(command, env=environment, check=False, timeout=900)
        assert ended.returncode == 0
        # Marks go on falling until they have closed out whom they are to close out.
        wait_for(
            lambda: Liquidation.objects.count() >= BYSTANDERS, what="the close-outs", seconds=120
        )
    files = [*directory.iterdir()]
    assert len(files) == PROCESSES
    answers = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    return Trial(answers, totals, steps, deadlocks() - before, time.perf_counter() - began)


def report(trial: Trial) -> str:
    outcomes = Counter(a["outcome"] for a in trial.of_kind("order"))
    placed = len(trial.of_kind("order"))
    return (
        f"\n{placed} orders of {PROCESSES * THREADS} clients in {trial.seconds:.1f} s "
        f"({placed / trial.seconds:.0f}/s): {dict(outcomes.most_common())}, "
        f"{sum(a['replayed'] for a in trial.of_kind('order'))} replayed, "
        f"{len(trial.of_kind('cancel'))} cancelled, {len(trial.of_kind('too late'))} too late, "
        f"{trial.steps} market steps, {Liquidation.objects.count()} close-outs; global exposure "
        f"at most {max(trial.totals):,.2f} of {THRESHOLD:,} in {len(trial.totals)} samples"
    )


def test_orders_of_64_clients_at_once(
    environment: dict[str, str],
    user_ids: list[int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(NOTE_ACCEPTANCE)
    try:
        trial = run_trial(environment, user_ids, tmp_path)
        with capsys.disabled():
            print(report(trial))
        check_nothing_stuck(trial)
        check_threshold(trial)
        check_margin()
        check_answers(trial)
    finally:
        with connection.cursor() as cursor:
            cursor.execute(FORGET_ACCEPTANCES)
    assert ledger_differences() == []


def check_nothing_stuck(trial: Trial) -> None:
    assert [fault["traceback"] for fault in trial.of_kind("fault")] == []
    assert trial.deadlocks == 0
    assert len(trial.of_kind("order")) == PROCESSES * THREADS * ORDERS_EACH
    assert Liquidation.objects.count() >= BYSTANDERS


def check_threshold(trial: Trial) -> None:
    """The threshold was reached, by many at once, and never passed."""
    assert THRESHOLD * D("0.99") < max(trial.totals) <= THRESHOLD
    after = Order.objects.exclude(global_exposure_after=None)
    assert list(after.filter(global_exposure_after__gt=THRESHOLD)) == []
    refused = [a for a in trial.of_kind("order") if a["outcome"] == "global_exposure_exceeded"]
    assert len(refused) > 100


def check_margin() -> None:
    assert scalar("SELECT count(*) FROM trial_acceptance") > 100
    assert scalar("SELECT count(*) FROM trial_acceptance WHERE margin > equity + slack") == 0


def check_answers(trial: Trial) -> None:
    """Every answer stands in the database as it was given, and nothing else does."""
    answers: dict[int, dict[str, Any]] = {}
    for given in trial.of_kind("order"):
        known = answers.setdefault(given["order_id"], given)
        assert {**given, "replayed": None} == {**known, "replayed": None}
    first = [a["order_id"] for a in trial.of_kind("order") if not a["replayed"]]
    assert len(first) == len(set(first)), "an order was answered as new twice"
    of_clients = Order.objects.filter(account__user__username__startswith="trial")
    stored = {o.pk: o for o in of_clients.select_related("account").filter(liquidation=False)}
    assert set(stored) == set(first) == set(answers)
    for order_id, given in answers.items():
        placement = first_answer_of(stored[order_id])
        assert placement.order.client_order_id == given["client_order_id"]
        if placement.denial is None:
            body = json.loads(json.dumps(PLACEMENT.to_representation(placement.order)))
            assert given["body"] == body
        else:
            assert (given["body"], given["outcome"]) == (None, placement.denial.code)
    ended = set(Order.objects.filter(status="CANCELED").values_list("pk", flat=True))
    assert {a["order_id"] for a in trial.of_kind("cancel")} <= ended
