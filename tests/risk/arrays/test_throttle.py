"""The throttle over many accounts counts as the one over one does."""

from collections import Counter
from datetime import UTC, datetime

import numpy as np

from risk.arrays.throttle import Throttle
from risk.throttle import throttled


def test_it_holds_back_whom_the_exchange_does() -> None:
    rng, accounts, most = np.random.default_rng(5), 40, 3
    now = datetime(2030, 1, 1, tzinfo=UTC)
    throttle, held = Throttle(accounts, most), set[int]()
    for _ in range(12):
        throttle.begin()
        fills = Counter[int]()
        for _ in range(4):
            rows = np.flatnonzero((rng.random(accounts) < 0.15) & ~throttle.held)
            throttle.note(rows)
            fills.update(rows.tolist())
            held |= {
                row for row, n in fills.items() if throttled(most, 60, nth=n, earlier=None, now=now)
            }
            assert set(np.flatnonzero(throttle.held).tolist()) == held
    assert 0 < len(held) < accounts
