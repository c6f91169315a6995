"""Computes a cell of a study from the study alone: no database, the same digits everywhere."""

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kpi.lab.cells.loop import run
from kpi.lab.cells.measuring import measure
from kpi.lab.cells.outcome import Outcome
from kpi.lab.cells.series import series_of
from kpi.lab.inputs.accounts import Population
from kpi.lab.inputs.population import make_population
from kpi.lab.inputs.specs import CellPlan, LabPolicy, Study, Variant
from kpi.lab.inputs.tape import Tape, read_tape
from market.kernel.amounts import plain
from risk.arrays.units import amount, units


@dataclass(frozen=True, slots=True)
class CellResult:
    """What is kept of a cell; ``digest`` is that of its metrics, close-outs and final books."""

    key: str
    metrics: dict[str, Any]
    series: dict[str, Any]
    digest: str
    cpu_seconds: float


class BooksDiffer(AssertionError):
    """Money was made or lost: the cell's result is worth nothing."""


class Computer:
    """Computes cells of one study; keeps the last tape, population and baseline for the next cell.

    Cells are best asked for by variant and seed: then each of them is made once.
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        self._tapes: dict[Variant, Tape] = {}
        self._population: tuple[tuple[int, Variant], Population] | None = None
        self._baseline: tuple[tuple[int, Variant], NDArray[np.float64] | None] | None = None

    def result(self, plan: CellPlan) -> CellResult:
        """Compute a cell. Raises BooksDiffer, or StudyError where the study's files changed."""
        started = time.process_time()
        tape, population = self.tape(plan.variant), self.population(plan.seed, plan.variant)
        outcome = self.outcome(plan.policy, plan.seed, plan.variant)
        metrics = measure(outcome, tape, population, plan.policy)
        return CellResult(
            key=plan.key,
            metrics=metrics,
            series=series_of(outcome, tape),
            digest=digest_of(outcome, metrics),
            cpu_seconds=round(time.process_time() - started, 3),
        )

    def outcome(self, policy: LabPolicy, seed: int, variant: Variant) -> Outcome:
        """Return what a policy does. Raises BooksDiffer."""
        outcome = self._run(policy, seed, variant, self._baseline_impact(policy, seed, variant))
        if outcome.books.difference:
            raise BooksDiffer(f"{amount(outcome.books.difference)} USDT were made or lost.")
        return outcome

    def tape(self, variant: Variant) -> Tape:
        if variant not in self._tapes:
            self._tapes = {variant: read_tape(self.study, variant)}
        return self._tapes[variant]

    def population(self, seed: int, variant: Variant) -> Population:
        if self._population is None or self._population[0] != (seed, variant):
            made = make_population(self.study, seed, self.tape(variant))
            self._population = ((seed, variant), made)
        return self._population[1]

    def _baseline_impact(
        self, policy: LabPolicy, seed: int, variant: Variant
    ) -> NDArray[np.float64] | None:
        """Return the impact that the tape holds already; None where the tape is taken as it is."""
        study = self.study
        if study.impact.mode != "differential" or policy.name == study.baseline:
            return None
        if self._baseline is None or self._baseline[0] != (seed, variant):
            self._run(study.policy(study.baseline), seed, variant, None)
        assert self._baseline is not None
        return self._baseline[1]

    def _run(
        self,
        policy: LabPolicy,
        seed: int,
        variant: Variant,
        baseline: NDArray[np.float64] | None,
    ) -> Outcome:
        outcome = run(
            self.tape(variant),
            self.population(seed, variant),
            policy,
            impact=self.study.impact,
            fund=units(self.study.fund),
            stickiness=float(self.study.population.stickiness),
            baseline=baseline,
        )
        if policy.name == self.study.baseline:
            self._baseline = ((seed, variant), outcome.impact)
        return outcome


def digest_of(outcome: Outcome, metrics: dict[str, Any]) -> str:
    """Return the SHA-256 of all that a cell did, the same wherever and however it was computed."""
    text = hashlib.sha256(json.dumps(metrics, sort_keys=True).encode())
    for record in (outcome.close_outs, outcome.legs, outcome.bars):
        for name in record.__slots__:
            text.update(np.ascontiguousarray(getattr(record, name), dtype="<i8").tobytes())
    text.update(np.ascontiguousarray(outcome.balance_end, dtype="<i8").tobytes())
    return text.hexdigest()


#: The columns of ``lab events``.
EVENT_COLUMNS = (
    "policy", "seed", "account", "step", "time", "symbol", "side", "size", "mark",
    "balance_before", "equity_before", "margin_before", "fee", "insurance_paid", "bad_debt",
    "balance_after",
)  # fmt: skip


def events(study: Study, policy_name: str, seed: int) -> Iterator[tuple[str, ...]]:
    """Yield the close-outs of a cell, one row per position, as EVENT_COLUMNS; computes it anew.

    ``side`` is the closing order's. Figures before are those just before the position closed, and
    insurance and bad debt stand with an account's last position. Raises KeyError.
    """
    computer, variant = Computer(study), study.variants[0]
    tape, population = computer.tape(variant), computer.population(seed, variant)
    outcome = computer.outcome(study.policy(policy_name), seed, variant)
    for leg in range(len(outcome.legs.mark)):
        yield (policy_name, str(seed), *leg_row(leg, outcome, tape, population))


def leg_row(leg: int, outcome: Outcome, tape: Tape, population: Population) -> tuple[str, ...]:
    legs, outs, instruments = outcome.legs, outcome.close_outs, tape.instruments
    out, instrument = int(legs.close_out[leg]), int(legs.instrument[leg])
    row, step, lots = int(outs.row[out]), int(outs.step[out]), int(legs.lots[leg])
    is_last = leg + 1 == len(legs.mark) or int(legs.close_out[leg + 1]) != out
    before = int(legs.balance_before[leg])
    after = before + int(legs.realized[leg]) - int(legs.fee[leg])
    paid, bad_debt = (int(outs.paid[out]), int(outs.bad_debt[out])) if is_last else (0, 0)
    moment = datetime.fromtimestamp(int(tape.times[step]), UTC)
    return (
        population.names[row] if population.names else str(row),
        str(step),
        moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        instruments.symbols[instrument],
        "SELL" if lots > 0 else "BUY",
        plain(abs(lots) * instruments.lot[instrument]),
        plain(int(legs.mark[leg]) * instruments.tick[instrument]),
        *(
            f"{amount(value):f}"
            for value in (
                before,
                int(legs.equity_before[leg]),
                int(legs.margin_before[leg]),
                int(legs.fee[leg]),
                paid,
                bad_debt,
                after + paid + bad_debt,
            )
        ),
    )
