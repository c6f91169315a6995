"""The leverage page's what-if over 10,000 accounts with 30,000 positions, and the page's data."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from typing import Final

from benchmarks import population
from benchmarks.figures import Figure, at_most
from benchmarks.parts.dashboard import INSTRUMENTS, PER_ACCOUNT
from benchmarks.stage import Stage
from benchmarks.timing import median_of

TITLE = "The what-if slider over 10,000 accounts"

ACCOUNTS: Final = 10_000
TURNS: Final = 7
MOVES: Final = ("0", "-1", "-5", "-10", "-25", "-50", "10")
SLOWEST: Final = at_most(300)

# One in 25 accounts has an order that a fall by 5 % reaches; the next would reach none of them.
ORDERS_SQL: Final = """
SET LOCAL session_replication_role = replica;
INSERT INTO trading_order (account_id, instrument_id, symbol, fingerprint, side, type, size, price,
                           leverage, reduce_only, liquidation, status, reject_code, reject_detail,
                           filled_size, required_margin, reserved_margin, reserved_notional, venue,
                           accepted_as, created_at, updated_at)
SELECT account.id, instrument.id, instrument.symbol, '', 'buy', 'limit', 1,
       round(instrument.mark_price * 0.96, 2), 2, true, false, 'NEW', '', '', 0, 0, 0, 0,
       'simulated', 'NEW', now(), now()
FROM accounts_account AS account
JOIN market_instrument AS instrument ON instrument.id = {instrument}
WHERE account.kind = 'user' AND account.id % 25 = 0
"""


def measure(stage: Stage) -> list[Figure]:
    """Return how long the answer to each move takes, and what the page reads besides."""
    from kpi.leverage.levels import read_levels
    from kpi.leverage.page import WINDOWS

    with stage.database("leverage"):
        stage.say("loading accounts, positions and orders")
        load(stage)
        stage.say("asking")
        with collector_of_a_web_process():
            figures = [figure for percent in MOVES for figure in figures_of(percent)]
            levels = partial(read_levels, window=WINDOWS["24h"].length)
            took = 1000 * median_of([levels] * TURNS)
        return [*figures, Figure("leverage by notional and tier", took, "ms", SLOWEST)]


@contextmanager
def collector_of_a_web_process() -> Iterator[None]:
    """Let the garbage collector pass over as much as it does where the page is made."""
    from exchange_poc.web.worker import spare_the_collector

    spare_the_collector()
    yield
    gc.unfreeze()


def load(stage: Stage) -> None:
    listed = population.list_instruments(
        [(f"SYM{number:02}USDT", Decimal(10 * number + 10)) for number in range(INSTRUMENTS)]
    )
    population.lift_limits()
    population.add_portfolios(
        accounts=stage.scaled(ACCOUNTS), per_account=PER_ACCOUNT, instruments=listed
    )
    population.execute(ORDERS_SQL.format(instrument=listed[0].id))
    population.settle()


def figures_of(percent: str) -> Sequence[Figure]:
    """Return how many accounts a move closes out and how long its answer takes."""
    from kpi.leverage.answer import answer_to
    from kpi.leverage.what_if import Move, what_if

    move = Move(Decimal(percent))
    found = what_if(move)
    assert found is not None
    took = 1000 * median_of([partial(answer_to, move, sees_accounts=True)] * TURNS)
    return (
        Figure(f"{percent} %: closed out", len(found.close_outs.closed), "accounts"),
        Figure(f"{percent} %: answer", took, "ms", SLOWEST),
    )
