"""Runs tests in forks of a process that has loaded what no mutant changes.

To load it takes longer than most tests that notice a mutant.
"""

import multiprocessing
import os
import resource
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

#: Seconds; many times longer than the tests take without a mutant.
TIMEOUT: Final = 900

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["tests.system.mutants.loaded"])


def passes(arguments: Sequence[str], *, output: Path, processor: int | None) -> bool:
    """Tell whether pytest passes with these arguments, within its seconds and those of processor.

    Works in the directory and with the environment of the first call in this process.
    """
    fork = context.Process(target=run, args=(arguments, output, processor))
    fork.start()
    assert fork.pid
    fork.join(TIMEOUT)
    if fork.is_alive():
        os.killpg(fork.pid, signal.SIGKILL)
        fork.join()
    return fork.exitcode == 0


def run(arguments: Sequence[str], output: Path, processor: int | None) -> None:
    """Become the process that runs pytest, and exit with its status."""
    import pytest

    os.setsid()
    with output.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    if processor is not None:
        resource.setrlimit(resource.RLIMIT_CPU, (processor, processor))
    stale = sorted(sys.modules.keys() & {"risk", "trading"})
    assert not stale, f"loaded without the mutant: {', '.join(stale)}"
    sys.exit(pytest.main(list(arguments)))
