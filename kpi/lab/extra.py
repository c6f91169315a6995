"""The packages of the lab's extra, which are imported where it computes and nowhere else."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from kpi.lab.errors import LabNotInstalled

PACKAGES: Final = {"numpy", "duckdb", "matplotlib"}


@contextmanager
def needs_the_extra() -> Iterator[None]:
    """Say what installs the extra where an import within the block misses it.

    Raises LabNotInstalled.
    """
    try:
        yield
    except ImportError as error:
        if (error.name or "").partition(".")[0] in PACKAGES:
            raise LabNotInstalled from error
        raise
