"""The worker of ``lab work``: a Celery worker of the lab's queue, behind everything else."""

import os
import subprocess
import sys
from typing import Final

#: The least claim on the processor: whatever else runs here goes first.
NICENESS: Final = 19


def work(*, processes: int) -> int:
    """Compute queued cells in so many processes until told to stop; return the exit status."""
    command = [
        *(sys.executable, "-m", "celery", "--quiet", "-A", "exchange_poc", "worker"),
        *("--queues", "lab", "--hostname", f"lab-{os.getpid()}@%h", "--without-mingle"),
        *("--pool", "prefork", "--concurrency", str(processes)),
    ]
    os.nice(NICENESS)
    with subprocess.Popen(command) as worker:  # noqa: S603
        try:
            return worker.wait()
        finally:
            worker.terminate()
