"""Tries mutants on copies of the project, one copy, database and Valkey index per processor."""

import compileall
import multiprocessing
import os
import shlex
import shutil
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cosmic_ray.mutating import mutate_and_test
from cosmic_ray.work_item import TestOutcome

from exchange_poc.launcher.local_dir import PROJECT_ROOT
from tests.system.mutants.mutation import Mutant
from tests.system.mutants.targets import Target

PYTEST: Final = f"{sys.executable} -m pytest -x --assert=plain -o addopts="
WORKERS: Final = os.cpu_count() or 1
#: Seconds; many times longer than the tests take without a mutant.
TIMEOUT: Final = 900
#: Seconds of processor for tests of arithmetic: a mutant may ask for a power that never ends.
MOST_ARITHMETIC: Final = 30


class Workshop:
    """Runs the tests of a target on its mutants, as many at once as there are processors."""

    def __init__(self, directory: Path) -> None:
        context = multiprocessing.get_context("spawn")
        numbers = context.Queue()
        for number in range(WORKERS):
            numbers.put(number)
        self.pool = ProcessPoolExecutor(
            WORKERS, context, initializer=enter_copy, initargs=(directory, numbers)
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


def enter_copy(directory: Path, numbers: "multiprocessing.Queue[int]") -> None:
    """Make this process work on a copy, a database and a Valkey index of its own."""
    number = numbers.get()
    copy = directory / str(number)
    shutil.copytree(PROJECT_ROOT, copy, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    compileall.compile_dir(copy, quiet=2)  # Trials write no bytecode.
    os.chdir(copy)
    os.environ["DATABASE_URL"] += f"_{number}"
    redis = urlsplit(os.environ["REDIS_URL"])
    os.environ["REDIS_URL"] = redis._replace(path=f"/{number + 1}").geturl()
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # Most of them take longer than a test.


def survives(target: Target, mutant: Mutant | None = None) -> bool:
    """Tell whether the tests of a target pass, with a mutant in the code or without."""
    result = mutate_and_test([mutant.spec] if mutant else [], command(target), TIMEOUT)
    assert result.test_outcome != TestOutcome.INCOMPETENT, result.output
    passed = result.test_outcome == TestOutcome.SURVIVED
    if mutant is None and not passed:
        print(result.output, flush=True)
    return bool(passed)


def command(target: Target) -> str:
    """Return how the tests of a target are run; a database is made once and used again."""
    if target.pure:
        options = "--noconftest -p tests.system.mutants.repeatable"
    else:
        # The suite's own hooks ask xdist which process they are in.
        options = "-p pytest_django.plugin -p xdist.plugin --reuse-db"
    runs = [
        f"{PYTEST} {options} {' '.join(tests)}" for tests in (target.tests, target.then) if tests
    ]
    bound = [f"ulimit -t {MOST_ARITHMETIC}"] if target.pure else []
    return shlex.join(("sh", "-c", " && ".join([*bound, *runs])))
