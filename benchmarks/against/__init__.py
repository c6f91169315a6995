"""``make bench ARGS="--against REV"``: this checkout and another revision, measured in turn.

Each side is a checkout with an environment, servers, a database and a metrics directory of its own,
and is loaded by the benchmarks that belong to it. Rounds alternate between the sides, so that what
else goes on on the machine meets both alike; a ratio compares the two halves of one round.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain
from statistics import median
from typing import Final

from benchmarks.against.cases import CASES, Case
from benchmarks.against.checkout import Revision, checked_out
from benchmarks.against.side import Side, serving
from benchmarks.figures import Figure, at_most
from benchmarks.report import PartResult
from exchange_poc.launcher.local_dir import PROJECT_ROOT

NAME: Final = "against"


def measure(revision: Revision, *, quick: bool) -> PartResult:
    """Return each case's median rate on both sides and the ratio, and the memory it took."""
    started = time.monotonic()
    with both(revision) as sides:
        rates = [rounds(case, sides, quick=quick) for case in CASES]
        present, before = (side.memory() for side in sides)
    figures = chain.from_iterable(
        compare(case, pairs, revision.short) for case, pairs in zip(CASES, rates, strict=True)
    )
    memory = [
        Figure("memory of a web process: here", present, "MiB"),
        Figure(f"memory of a web process: {revision.short}", before, "MiB"),
        Figure("memory of a web process: ratio", present / before, "", at_most(1.2)),
    ]
    title = f"This checkout beside {revision.short}"
    return PartResult(NAME, title, time.monotonic() - started, [*figures, *memory])


@contextmanager
def both(revision: Revision) -> Iterator[tuple[Side, Side]]:
    """Serve both sides for as long as the block lasts; both must end with a sound ledger."""
    with ExitStack() as stack:
        other = stack.enter_context(checked_out(revision))
        yield (
            stack.enter_context(serving(PROJECT_ROOT)),
            stack.enter_context(serving(other)),
        )


def rounds(case: Case, sides: tuple[Side, Side], *, quick: bool) -> list[tuple[float, float]]:
    """Return the rates of each round, present first; each round begins with the other side."""
    present, other = sides
    pairs = []
    for number in range(3):
        if number % 2:
            measured = case.rate(present, quick=quick), case.rate(other, quick=quick)
        else:
            measured = (case.rate(other, quick=quick), case.rate(present, quick=quick))[::-1]
        pairs.append(measured)
    return pairs


def compare(case: Case, pairs: Sequence[tuple[float, float]], other: str) -> list[Figure]:
    """Return the figures of one case from (present, other) rates, a pair a round."""
    name = case.name
    ratios = [present / before for present, before in pairs]
    return [
        Figure(f"{name}: here", median(present for present, _ in pairs), "/s"),
        Figure(f"{name}: {other}", median(before for _, before in pairs), "/s"),
        Figure(f"{name}: here ÷ {other}", median(ratios), "", case.goal),
        Figure(f"{name}: lowest ratio of a round", min(ratios)),
        Figure(f"{name}: highest ratio of a round", max(ratios)),
    ]
