"""The worker of ``lab work``: a Celery worker of the lab's queue, behind everything else."""

import os
import signal
import subprocess
import sys
from typing import Final

#: The least claim on the processor: whatever else runs here goes first.
NICENESS: Final = 19
#: Seconds for the cells in hand after Ctrl-C, and for what is ended before its time.
PATIENCE: Final = 60
GRACE: Final = 10


def work(*, processes: int) -> int:
    """Compute queued cells in so many processes until told to stop; return the exit status."""
    command = [
        *(sys.executable, "-m", "celery", "--quiet", "-A", "exchange_poc", "worker"),
        *("--queues", "lab", "--hostname", f"lab-{os.getpid()}@%h", "--without-mingle"),
        *("--pool", "prefork", "--concurrency", str(processes)),
    ]
    os.nice(NICENESS)
    worker = subprocess.Popen(command)  # noqa: S603
    try:
        return worker.wait()
    except KeyboardInterrupt:
        worker.terminate()
        return ended(worker)


def ended(worker: "subprocess.Popen[bytes]") -> int:
    """Let a worker finish the cells in hand, until a second Ctrl-C at most; return its status."""
    try:
        return worker.wait(PATIENCE)
    except (KeyboardInterrupt, subprocess.TimeoutExpired):
        worker.send_signal(signal.SIGQUIT)  # which ends what it has begun
    try:
        return worker.wait(GRACE)
    except subprocess.TimeoutExpired:
        worker.kill()
        return worker.wait()
