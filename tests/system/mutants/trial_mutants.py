"""``make mutants``: every mutant of the arithmetic, and a sample of those elsewhere, is noticed.

A mutant is the code with one token changed. One that all tests pass is either a promise that no
test holds, or a change that makes no difference: then ``equivalent.toml`` names it with the reason,
and it is not tried.
"""

import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from pytest_django import DjangoDbBlocker

from tests import template
from tests.system.mutants.mutation import Mutant, mutants_of, sample
from tests.system.mutants.targets import PURE, SAMPLE, SAMPLED, Target
from tests.system.mutants.workshop import Workshop

EQUIVALENT: Final[list[dict[str, Any]]] = tomllib.loads(
    Path(__file__).with_name("equivalent.toml").read_text()
)["mutant"]


@pytest.fixture(scope="module")
def migrated(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The database that each trial gets a copy of, whatever those before it left."""
    template.make(django_db_blocker)
    yield
    template.drop(django_db_blocker)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory, migrated: None) -> Iterator[Workshop]:
    """A workshop whose tests pass without a mutant, before and after: else all look killed."""
    made = Workshop(tmp_path_factory.mktemp("mutants"))
    yield made
    for target in made.used.values():
        made.check(target)


@cache
def sampled() -> list[Mutant]:
    return sample([one for target in SAMPLED for one in mutants_of(target.module)], SAMPLE)


def tried(target: Target) -> list[Mutant]:
    if target.pure:
        return mutants_of(target.module)
    return [mutant for mutant in sampled() if mutant.module == target.module]


def is_named(mutant: Mutant) -> bool:
    return any(mutant.is_named_by(entry) for entry in EQUIVALENT)


@pytest.mark.parametrize("target", [*PURE, *SAMPLED], ids=lambda target: target.module)
def test_every_mutant_is_killed_or_named(workshop: Workshop, target: Target) -> None:
    mutants = tried(target)
    trials = [mutant for mutant in mutants if not is_named(mutant)]
    survivors = []
    for survivor in workshop.survivors(target, trials):
        survivors.append(survivor)
        print(f"\nSURVIVED {survivor}", flush=True)
    print(
        f"\n{target.module}: {len(mutants)} mutants, {len(trials) - len(survivors)} killed,"
        f" {len(mutants) - len(trials)} equivalent, {len(survivors)} survived",
        flush=True,
    )
    assert not survivors, "\n".join(map(str, survivors))
