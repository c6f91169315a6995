"""What the lab keeps: one row a cell, claimed by one process at a time, final once it is done."""

import threading
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from kpi.audit.models import AuditRecord
from kpi.lab.claims import LASTS, this_process
from kpi.lab.errors import LabError
from kpi.lab.models import LabCell, LabStudy
from kpi.lab.policies import put_in_force
from kpi.lab.selectors import find_study, progress_by_study, progress_of, results_of
from kpi.lab.services import (
    Near,
    ResultDiffers,
    claim_cell,
    fail_cell,
    finish_cell,
    release_cells,
    requeue_cells,
    store_study,
)
from market.kernel.errors import NotFound, StaleVersion
from market.kernel.states import TradingState
from risk.models import LeverageLimit, RiskPolicy
from risk.policy import PRESETS
from risk.selectors import policy_in_force
from risk.services import set_trading_state
from tests.each import each
from tests.kpi.lab.stored import compute, plans, result, store, study

pytestmark = pytest.mark.django_db
GONE = "elsewhere:1:1.0"


def claims(stored: LabStudy) -> list[tuple[int, str]]:
    """Claim all that can be claimed, as one worker, and return seeds and policies in order."""
    found, near = [], None
    while cell := claim_cell(study=stored, worker=GONE, near=near):
        found.append((cell.seed, cell.policy))
        near = Near(cell.seed, cell.variant)
    return found


def test_a_cell_is_computed_once_for_all_studies() -> None:
    first = store(seeds=(1, 2))
    assert compute(first) == 6
    second = store(name="more", seeds=(1, 2, 3))
    assert (progress_of(second).done, progress_of(second).missing) == (6, 3)
    assert compute(second) == 3
    assert set(results_of(first)) < set(results_of(second))
    assert results_of(first)["esma", 2, "ohlc"] == results_of(second)["esma", 2, "ohlc"]


def test_a_study_is_kept_once_and_follows_a_changed_rule() -> None:
    asked = study()
    stored = store(asked)
    compute(stored)
    LabStudy.objects.update(comparison={"answer": "old"})
    assert store(asked) == stored
    assert LabStudy.objects.get().comparison == {"answer": "old"}
    store_study(study=asked, plans=plans(asked, rules="2"))
    assert LabStudy.objects.get().comparison is None
    assert (progress_of(stored).done, progress_of(stored).queued) == (0, 6)
    assert LabCell.objects.count() == 12


def test_a_name_too_long_is_refused() -> None:
    with pytest.raises(LabError, match="200 characters"):
        store(name="x" * 201)


def test_neighbours_share_tape_and_population() -> None:
    assert claims(store()) == [(seed, name) for seed in (1, 2) for name in ("seed", "esma", "none")]


def test_two_workers_begin_with_populations_of_their_own() -> None:
    stored = store()
    first = claim_cell(study=stored, worker="one:1:1")
    other = claim_cell(study=stored, worker="two:1:1")
    assert first is not None
    assert other is not None
    assert (first.seed, other.seed) == (1, 2)
    again = claim_cell(study=stored, worker="two:1:1", near=Near(2, "ohlc"))
    assert again is not None
    assert (again.seed, again.policy) == (2, "esma")


@pytest.mark.django_db(transaction=True)
def test_no_cell_is_claimed_twice_at_the_same_time() -> None:
    stored, claimed = store(seeds=range(1, 9)), list[int]()

    def work() -> None:
        try:
            while cell := claim_cell(study=stored, worker=GONE):
                claimed.append(cell.pk)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=120)
    assert sorted(claimed) == sorted(LabCell.objects.values_list("pk", flat=True))


@pytest.mark.django_db(transaction=True)
def test_nobody_waits_for_a_cell_that_another_is_claiming() -> None:
    stored, claimed = store(), list[int]()

    def claim() -> None:
        try:
            cell = claim_cell(study=stored, worker=GONE)
            claimed.append(cell.pk if cell else 0)
        finally:
            connection.close()

    with transaction.atomic():
        mine = claim_cell(study=stored, worker=GONE)
        other = threading.Thread(target=claim)
        other.start()
        other.join(timeout=60)
        assert not other.is_alive()
    assert mine is not None
    assert claimed[0] not in (0, mine.pk)


def test_an_old_claim_is_anybodys() -> None:
    stored = store()
    assert len(claims(stored)) == 6
    assert claims(stored) == []
    LabCell.objects.filter(seed=1).update(claimed_at=timezone.now() - LASTS - timedelta(seconds=1))
    assert {seed for seed, _ in claims(stored)} == {1}


def test_cells_of_a_process_that_is_gone_are_queued_anew() -> None:
    stored = store()
    gone = this_process().rsplit(":", 1)[0] + ":1.0"  # of a process that started long ago
    cell = claim_cell(study=stored, worker=gone)
    kept = claim_cell(study=stored, worker=this_process())
    far = claim_cell(study=stored, worker=GONE)
    assert requeue_cells(study=stored, failed=False) == 1
    states = dict(LabCell.objects.values_list("pk", "state"))
    assert cell is not None
    assert kept is not None
    assert far is not None
    assert [states[one.pk] for one in (cell, kept, far)] == ["queued", "running", "running"]
    assert release_cells(worker=this_process()) == 1
    assert progress_of(stored).running == 1


def test_a_failed_cell_is_computed_anew_when_asked() -> None:
    stored = store()
    cell = claim_cell(study=stored, worker=GONE)
    assert cell is not None
    fail_cell(cell=cell, error="Traceback…")
    assert progress_of(stored).failed == 1
    assert len(claims(stored)) == 5
    assert requeue_cells(study=stored, failed=False) == 0
    assert requeue_cells(study=stored, failed=True) == 1
    assert claims(stored) == [(cell.seed, cell.policy)]


def test_the_first_result_stays() -> None:
    stored = store()
    cell = claim_cell(study=stored, worker=GONE)
    assert cell is not None
    finish_cell(cell=cell, result=result(cell.key))
    finish_cell(cell=cell, result=result(cell.key))
    fail_cell(cell=cell, error="too late")
    with pytest.raises(ResultDiffers):
        finish_cell(cell=cell, result=result("f" * 64))
    cell.refresh_from_db()
    assert (cell.state, cell.digest, cell.error) == ("done", result(cell.key).digest, "")


@each(
    ("statement", "refused_by"),
    [
        ("UPDATE kpi_labcell SET metrics = '{}' WHERE state = 'done'", "lab_cell_is_final"),
        ("UPDATE kpi_labcell SET state = 'queued' WHERE state = 'done'", "lab_cell_is_final"),
        ("UPDATE kpi_labcell SET seed = 9 WHERE state = 'queued'", "lab_cell_is_fixed"),
        (
            "UPDATE kpi_labcell SET state = 'done' WHERE state = 'queued'",
            "lab_cell_done_with_a_result",
        ),
        (
            "UPDATE kpi_labcell SET state = 'running' WHERE state = 'queued'",
            "lab_cell_run_by_somebody",
        ),
        ("UPDATE kpi_labcell SET state = 'lost' WHERE state = 'queued'", "lab_cell_state_known"),
        ("DELETE FROM kpi_labcell", "lab_cell_is_kept"),
        ("TRUNCATE kpi_labcell CASCADE", "lab_cell_is_kept"),
        ("UPDATE kpi_labstudy SET canonical = ''", "lab_study_is_fixed"),
        ("UPDATE kpi_labstudy SET policies = '[]'", "lab_study_is_fixed"),
        ("DELETE FROM kpi_labstudy", "lab_study_is_kept"),
        ("TRUNCATE kpi_labstudy CASCADE", "lab_study_is_kept"),
    ],
)
def test_the_database_refuses(statement: str, refused_by: str) -> None:
    compute(store(), most=1)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        with pytest.raises(IntegrityError) as refusal:
            cursor.execute(statement)
    assert refusal.value.__cause__.diag.constraint_name == refused_by  # type: ignore[union-attr]


def test_studies_are_found_by_number_name_and_digest() -> None:
    first, second = store(), store(name="more")
    assert find_study(named="more") == second
    assert find_study(named=str(first.pk)) == first
    assert find_study(named=first.digest[:8].upper()) == first
    for unknown in ("nothing", first.digest[:5] + "z", "²", "9" * 40, ""):
        with pytest.raises(NotFound):
            find_study(named=unknown)


def test_progress_of_many_studies_is_one_look() -> None:
    first, second = store(), store(name="more", seeds=(3,))
    compute(first)
    progress = progress_by_study([first, second])
    assert [progress[one.pk].done for one in (first, second)] == [6, 0]
    assert [progress[one.pk].state for one in (first, second)] == ["done", "queued"]


def test_a_policy_is_put_in_force_and_the_trail_names_the_study() -> None:
    stored = store()
    put_in_force(reason="A test", study=stored, name="esma")
    assert policy_in_force() == PRESETS["esma"]
    limits = LeverageLimit.objects.values_list("max_leverage", flat=True)
    assert set(limits) == {2}
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # as at the end of a transaction
    records = AuditRecord.objects.filter(kind="configuration_change")
    assert {record.details["reason"] for record in records} == {
        f"A test (lab study {stored.digest}: esma)"
    }
    assert {record.reference.split(":")[0] for record in records} >= {"risk.leveragelimit"}


def test_a_policy_changed_meanwhile_is_not_undone() -> None:
    stored, seen = store(), policy_in_force().digest
    put_in_force(reason="A test", study=stored, name="none", seen=seen)
    with pytest.raises(StaleVersion):
        put_in_force(reason="A test", study=stored, name="esma", seen=seen)
    assert policy_in_force() == PRESETS["none"]


def test_no_study_resumes_trading() -> None:
    stored = store()
    set_trading_state(state=TradingState.HALTED, reason="A test")
    put_in_force(reason="A test", study=stored, name="none")
    assert RiskPolicy.objects.get().trading_halted
    assert (
        RiskPolicy.objects.get()
        .history.latest()
        .history_change_reason.startswith("A test (lab study")
    )
    with pytest.raises(NotFound, match="it has seed, esma, none"):
        put_in_force(reason="A test", study=stored, name="other")
