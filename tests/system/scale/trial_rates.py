"""What PgBouncer and a second tier do to the rate of orders, in turns of one run."""

from collections.abc import Sequence
from itertools import cycle
from statistics import median

import pytest

from tests.system.faults.conftest import Population
from tests.system.faults.load import Load
from tests.system.scale.tiers import ScaledStack, WebTier

TURNS, SECONDS = 3, 5.0


def test_rates(
    stack: ScaledStack, population: Population, capsys: pytest.CaptureFixture[str]
) -> None:
    direct = WebTier(stack, "direct", DATABASE_URL=stack.postgres.url)
    pooled = WebTier(stack, "pooled")
    with stack.further(direct, pooled):
        cases = {
            "one tier, direct": [direct.url],
            "one tier, PgBouncer": [pooled.url],
            "two tiers, PgBouncer": stack.urls,
        }
        rates: dict[str, list[float]] = {case: [] for case in cases}
        for turn in range(TURNS):
            for number, (case, urls) in enumerate(cases.items()):
                rates[case].append(rate(urls, population.keys, f"rate-{turn}-{number}"))
    base = median(rates["one tier, direct"])
    with capsys.disabled():
        print(
            f"\norders a second of {len(population.keys)} clients, {TURNS} turns of {SECONDS:g} s:"
        )
        for case, found in rates.items():
            turns = ", ".join(f"{r:.0f}" for r in found)
            print(f"  {case:22} {median(found):5.0f} ({turns})  {median(found) / base:.2f}")
    assert min(map(min, rates.values())) > 0


def rate(urls: Sequence[str], keys: Sequence[str], name: str) -> float:
    """Return the orders a second that clients get acknowledged at these addresses in turn."""
    load = Load(lambda: cycle(urls), keys, name)
    load.start()
    load.stop.wait(SECONDS)
    load.finish()
    assert not load.failures
    return len(load.acknowledged) / (load.ended - load.began)
