"""Verifies the audit trail: its chain link by link, its head, and that no fact lacks a record.

In full, or from where a check ended that found it sound.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from kpi.audit.chain import GENESIS, HASHED, record_hash
from kpi.audit.coverage import last_facts, unrecorded_facts
from kpi.audit.models import AuditCheck, AuditHead
from kpi.audit.sealing import seal_records
from kpi.audit.selectors import exported_records, sealed_records
from market.kernel.snapshot import consistent_read

Progress = Callable[[int], None]

#: Records between two calls of the progress.
STEP: Final = 50_000
#: A trail that is broken everywhere need not be told record by record.
MOST_TOLD: Final = 100


@dataclass(frozen=True, slots=True)
class AuditDifference:
    """Where the trail is not what it was; ``sequence`` is None for a fact without a record."""

    what: str
    sequence: int | None = None

    def __str__(self) -> str:
        return self.what if self.sequence is None else f"record {self.sequence}: {self.what}"


@dataclass(slots=True)
class AuditReport:
    """What a verification found: how far the chain reaches, and its differences in order.

    ``facts`` are the last ids of the facts that were looked at, by kind.
    """

    records: int = 0
    last_sequence: int = 0
    last_hash: str = GENESIS
    facts: Mapping[str, int] = field(default_factory=dict)
    count: int = 0
    differences: list[AuditDifference] = field(default_factory=list)

    def add(self, difference: AuditDifference) -> None:
        """Count a difference and keep it while there are few."""
        self.count += 1
        if len(self.differences) < MOST_TOLD:
            self.differences.append(difference)


def verify_audit(
    *, since: AuditCheck | None = None, progress: Progress = lambda count: None
) -> AuditReport:
    """Verify every sealed record, the head, and the facts; seals what is captured first.

    With ``since``, a check that found no difference, only what came after it. ``progress`` is told
    now and then how many records are done.
    """
    seal_records()
    report = AuditReport() if since is None else continued(since)
    seen = {} if since is None else since.facts
    with consistent_read():
        verify_beginning(report)
        for record in exported_records(after=report.last_sequence):
            verify_record(report, record)
            if report.records % STEP == 0:
                progress(report.records)
        verify_head(report)
        report.facts = last_facts()
        for fact in unrecorded_facts(after=seen):
            report.add(AuditDifference(f"no record of {fact}"))
    return report


def continued(check: AuditCheck) -> AuditReport:
    """Return the report that goes on where a check ended; sound, it counted every number once."""
    return AuditReport(check.records, check.records, check.hash)


def verify_beginning(report: AuditReport) -> None:
    """Hold the record that the report goes on from against the hash that was kept of it."""
    if report.last_sequence:
        last = sealed_records().filter(sequence=report.last_sequence).values_list("hash", flat=True)
        if last.first() != report.last_hash:
            report.add(AuditDifference("not as the last check found it", report.last_sequence))


def verify_record(report: AuditReport, record: Mapping[str, Any]) -> None:
    """Hold a record against its own hash and against the record before it."""
    sequence, stored = record["sequence"], record["hash"]
    expected = report.last_sequence + 1
    if sequence != expected:
        report.add(AuditDifference(f"missing, up to record {sequence - 1}", expected))
    elif record["previous_hash"] != report.last_hash:
        report.add(AuditDifference("does not follow the record before it", sequence))
    if record_hash({name: record[name] for name in HASHED}) != stored:
        report.add(AuditDifference("altered", sequence))
    report.records += 1
    report.last_sequence, report.last_hash = sequence, stored


def verify_head(report: AuditReport) -> None:
    """Hold the end of the chain against the head, which is kept apart."""
    head = AuditHead.objects.filter(id=1).first()
    if head is None:
        report.add(AuditDifference("the head of the chain is missing"))
    elif report.last_sequence < head.sequence:
        cut = f"missing, up to record {head.sequence}, where the chain ended"
        report.add(AuditDifference(cut, report.last_sequence + 1))
    elif (report.last_sequence, report.last_hash) != (head.sequence, head.hash):
        report.add(AuditDifference("not the end of the chain that was kept", report.last_sequence))
