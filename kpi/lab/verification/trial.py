"""What ``lab verify`` gives both sides: the first accounts of a study, with orders of fixed sizes.

What agents do by themselves is the lab's alone and is left out: entries become orders, and there
are no exits, stops or top-ups.
"""

from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

import numpy as np

from kpi.lab.cells.behaviour import wishes
from kpi.lab.errors import LabError
from kpi.lab.inputs.population import Entries, Population, make_population
from kpi.lab.inputs.specs import LabPolicy, Study
from kpi.lab.inputs.tape import Tape, read_tape
from risk.arrays.maintenance import requirements
from risk.arrays.rules import Rules


@dataclass(frozen=True, slots=True)
class Trial:
    """What both sides are given."""

    study: Study
    policy: LabPolicy
    tape: Tape
    population: Population


def trial_of(
    study: Study,
    accounts: int,
    between: tuple[datetime | None, datetime | None],
    chosen: tuple[str, int | None],
) -> Trial:
    """Return what both sides replay. Raises LabError."""
    (start, end), (name, seed), variant = between, chosen, study.variants[0]
    if accounts < 1:
        raise LabError("Verify with one account at least.")
    if name not in {policy.name for policy in study.policies}:
        names = ", ".join(policy.name for policy in study.policies)
        raise LabError(f"The study has no policy {name!r}; it has {names}.")
    policy = study.policy(name)
    population = make_population(
        study, study.seeds[0] if seed is None else seed, read_tape(study, variant)
    )
    if population.lots.any():
        raise LabError("These accounts hold positions already; verify with ones that hold nothing.")
    cut = replace(study.tape, start=start or study.tape.start, end=end or study.tape.end)
    tape = read_tape(replace(study, tape=cut), variant)
    rules, stickiness = Rules.of(policy.policy), float(study.population.stickiness)
    population = of_fixed_orders(first_of(population, accounts), tape, rules, stickiness)
    return Trial(study, policy, tape, population)


def first_of(population: Population, accounts: int) -> Population:
    """Return the first accounts of a population, with their entries."""
    columns = {one.name: getattr(population, one.name) for one in fields(population)}
    cut: dict[str, Any] = {
        name: column[..., :accounts]
        for name, column in columns.items()
        if isinstance(column, np.ndarray)
    }
    return replace(
        population,
        names=population.names and population.names[:accounts],
        entries=picked(population.entries, population.entries.row < accounts),
        **cut,
    )


def of_fixed_orders(
    population: Population, tape: Tape, rules: Rules, stickiness: float
) -> Population:
    """Return accounts that only enter, each entry with its size, on this tape."""
    entries = population.entries
    entries = picked(entries, tape.step_at(entries.time) < len(tape.marks))
    marks = tape.marks[tape.step_at(entries.time), entries.instrument]
    by = requirements(rules.requirement, tape.instruments.symbols)
    used, wanted = wishes(replace(population, entries=entries), rules, by, stickiness)
    sized = wanted // (tape.instruments.unit[entries.instrument] * marks)
    fixed = entries.lots != 0
    lots = np.where(fixed, entries.lots, np.where(entries.long, sized, -sized))
    entries = replace(
        entries,
        lots=lots,
        leverage=np.where(fixed, entries.leverage, used),
        exit_time=np.full_like(entries.exit_time, -1),
    )
    nothing = np.zeros_like(population.balance)
    return replace(
        population,
        entries=picked(entries, lots != 0),
        stop=nothing,
        top_up=nothing,
        top_up_amount=nothing,
    )


def picked(entries: Entries, chosen: Any) -> Entries:
    return Entries(*(getattr(entries, one.name)[chosen] for one in fields(entries)))
