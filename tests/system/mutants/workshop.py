"""Tries mutants on copies of the project, one copy, database and Valkey index per processor."""

import compileall
import multiprocessing
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psycopg
from cosmic_ray.mutating import use_mutation
from cosmic_ray.plugins import get_operator

from exchange_poc.launcher.local_dir import PROJECT_ROOT
from tests import template
from tests.system.mutants import forks
from tests.system.mutants.mutation import Mutant
from tests.system.mutants.targets import Target

OPTIONS: Final = ("-x", "--assert=plain", "-o", "addopts=", "-p", "no:cacheprovider")
WORKERS: Final = os.cpu_count() or 1
#: Seconds of processor for a module's own tests of arithmetic and for all others, several times
#: what they take: a mutant may ask for a power that never ends.
MOST_ARITHMETIC: Final = (10, 45)


class Workshop:
    """Runs the tests of a target on its mutants, as many at once as there are processors."""

    def __init__(self, directory: Path) -> None:
        context = multiprocessing.get_context("spawn")
        numbers = context.Queue()
        for number in range(WORKERS):
            numbers.put(number)
        self.pool = ProcessPoolExecutor(
            WORKERS, context, initializer=enter_copy, initargs=(directory, numbers, template.NAME)
        )
        #: A target of either kind that was tried, pure or not.
        self.used: dict[bool, Target] = {}

    def survivors(self, target: Target, mutants: Iterable[Mutant]) -> Iterator[Mutant]:
        """Yield the mutants that no test of a target notices, as soon as that is known."""
        lost = [tests for tests in (*target.tests, *target.then) if not Path(tests).exists()]
        assert not lost, f"no mutant passes tests that are not there: {', '.join(lost)}"
        if target.pure not in self.used:
            self.check(target)
            self.used[target.pure] = target
        trials = {self.pool.submit(survives, target, mutant): mutant for mutant in mutants}
        for trial in as_completed(trials):
            if trial.result():
                yield trials[trial]

    def check(self, target: Target) -> None:
        """Make sure that the tests of a target pass on the code as it is, in every copy."""
        trials = [self.pool.submit(survives, target) for _ in range(WORKERS)]
        assert all(trial.result() for trial in trials), "the tests fail without a mutant"


def enter_copy(directory: Path, numbers: "multiprocessing.Queue[int]", template_name: str) -> None:
    """Make this process work on a copy, a database and a Valkey index of its own."""
    number = numbers.get()
    copy = directory / str(number)
    shutil.copytree(PROJECT_ROOT, copy, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    compileall.compile_dir(copy, quiet=2)  # Trials write no bytecode.
    os.chdir(copy)
    os.environ["DATABASE_URL"] += f"_{number}"
    os.environ[template.VARIABLE] = template_name
    redis = urlsplit(os.environ["REDIS_URL"])
    os.environ["REDIS_URL"] = redis._replace(path=f"/{number + 1}").geturl()
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # Most of them take longer than a test.
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"  # Mutants follow each other within its second.
    sys.path[:] = [str(copy) if Path(one) == PROJECT_ROOT else one for one in sys.path]


def survives(target: Target, mutant: Mutant | None = None) -> bool:
    """Tell whether the tests of a target pass, with a mutant in the code or without."""
    output = Path("output.txt")
    most = MOST_ARITHMETIC if target.pure else (None, None)
    if not target.pure:
        forget_database()
    with changed_by(mutant) if mutant else nullcontext():
        passed = all(
            forks.passes([*options(target), *tests], output=output, processor=processor)
            for tests, processor in zip((target.tests, target.then), most, strict=True)
            if tests
        )
    if mutant is None and not passed:
        print(output.read_text(), flush=True)
    return passed


def forget_database() -> None:
    """Drop the database of this copy's tests, which a run that is killed leaves as it stands then.

    What it committed would fail every later run, and each would look like a mutant noticed.
    """
    url = os.environ["DATABASE_URL"]
    name = "test_" + urlsplit(url).path[1:]
    with psycopg.connect(url, dbname="postgres", autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def changed_by(mutant: Mutant) -> AbstractContextManager[object]:
    """Put a mutant in the place of its module."""
    spec = mutant.spec
    operator = get_operator(spec.operator_name)(**spec.operator_args)
    return use_mutation(spec.module_path, operator, spec.occurrence)


def options(target: Target) -> tuple[str, ...]:
    """Return how the tests of a target are run."""
    if target.pure:
        return (*OPTIONS, "--noconftest", "-p", "tests.system.mutants.repeatable")
    # The suite's own hooks ask xdist which process they are in.
    return (*OPTIONS, "-p", "pytest_django.plugin", "-p", "xdist.plugin")
