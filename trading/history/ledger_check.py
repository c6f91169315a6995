"""Recomputes balances, positions, reservations and exposure from history, and lists differences.

It also follows the numbers of counted fills.

Independent of the running totals: balances from transfers, positions by replaying trades through
the arithmetic, reservations and exposure from the rows that they total up.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from django.db import connection

from accounts.ledger import system_account_id
from accounts.models import AccountKind, TransferKind
from accounts.selectors import system_balance, transferred_balance
from market.kernel.snapshot import consistent_read
from risk.bounds import unsafe_bounds
from risk.fills import Holding, apply_fill
from trading.models import OPEN_STATUSES, Side


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure that history does not bear out."""

    what: str
    stored: object
    recomputed: object


def ledger_differences() -> list[Difference]:
    """Return every difference, all found at one moment of the database; none in a sound ledger."""
    with consistent_read():
        return [difference for check in CHECKS for difference in check()]


OPEN_ORDERS: Final = "FROM trading_order WHERE status IN ({})".format(
    ", ".join(f"'{status.value}'" for status in OPEN_STATUSES)
)
OPEN_POSITIONS: Final = "FROM risk_position WHERE status = 'OPEN'"

#: What the ledger moved for trades of an account, which is the user's side of a transfer.
MOVED_FOR_TRADES: Final = """
SELECT CASE payer.kind WHEN 'user' THEN debit_account_id ELSE credit_account_id END,
    sum(CASE payer.kind WHEN 'user' THEN -amount ELSE amount END)
FROM accounts_transfer AS transfer JOIN accounts_account AS payer ON payer.id = debit_account_id
WHERE transfer.kind = '{}' GROUP BY 1
"""

#: What is kept, and the same from history: a key and an amount each.
SUMS: Final = {
    "balance of account {}": (
        "SELECT id, balance FROM accounts_account WHERE kind = 'user'",
        """
        SELECT account.id, sum(moved.amount) FROM accounts_account AS account JOIN (
            SELECT credit_account_id AS account_id, amount FROM accounts_transfer
            UNION ALL SELECT debit_account_id, -amount FROM accounts_transfer
        ) AS moved ON moved.account_id = account.id WHERE account.kind = 'user' GROUP BY 1
        """,
    ),
    f"{TransferKind.REALIZED_PNL.label} of account {{}}": (
        MOVED_FOR_TRADES.format(TransferKind.REALIZED_PNL.value),
        "SELECT account_id, sum(realized_pnl) FROM trading_trade GROUP BY 1",
    ),
    f"{TransferKind.FEE.label} of account {{}}": (
        MOVED_FOR_TRADES.format(TransferKind.FEE.value),
        "SELECT account_id, -sum(fee) FROM trading_trade GROUP BY 1",
    ),
    "reserved_margin of account {}": (
        "SELECT account_id, reserved_margin FROM risk_reservation",
        f"SELECT account_id, sum(reserved_margin) {OPEN_ORDERS} GROUP BY 1",
    ),
    "reserved_notional of account {}": (
        "SELECT account_id, reserved_notional FROM risk_reservation",
        f"SELECT account_id, sum(reserved_notional) {OPEN_ORDERS} GROUP BY 1",
    ),
    "long_quantity of instrument {}": (
        "SELECT instrument_id, long_quantity FROM risk_instrumentexposure",
        f"SELECT instrument_id, sum(quantity) {OPEN_POSITIONS} AND quantity > 0 GROUP BY 1",
    ),
    "short_quantity of instrument {}": (
        "SELECT instrument_id, short_quantity FROM risk_instrumentexposure",
        f"SELECT instrument_id, -sum(quantity) {OPEN_POSITIONS} AND quantity < 0 GROUP BY 1",
    ),
    "order_notional of instrument {}": (
        "SELECT instrument_id, order_notional FROM risk_instrumentexposure",
        f"SELECT instrument_id, sum(reserved_notional) {OPEN_ORDERS} GROUP BY 1",
    ),
    "global exposure": (
        "SELECT 1, total FROM risk_globalexposure",
        """
        SELECT 1, sum((long_quantity + short_quantity) * mark_price + order_notional)
        FROM risk_instrumentexposure
        """,
    ),
    "mark of instrument {}": (
        "SELECT instrument_id, mark_price FROM risk_instrumentexposure",
        """
        SELECT id, instrument.mark_price FROM market_instrument AS instrument
        JOIN risk_instrumentexposure ON instrument_id = id
        """,
    ),
}

#: A missing amount counts as nothing.
COMPARED: Final = """
SELECT {} AS number, key::bigint AS key, stored.amount::numeric, recomputed.amount::numeric
FROM ({}) AS stored (key, amount) FULL JOIN ({}) AS recomputed (key, amount) USING (key)
WHERE coalesce(stored.amount, 0) <> coalesce(recomputed.amount, 0)
"""
#: All of them in one statement.
EVERY_SUM: Final = "{} ORDER BY number, key".format(
    " UNION ALL ".join(COMPARED.format(n, *sides) for n, sides in enumerate(SUMS.values()))
)


def sums() -> Iterator[Difference]:
    """What SUMS says is kept = what it says is history."""
    names = list(SUMS)
    for number, key, stored, recomputed in rows_of(EVERY_SUM):
        yield Difference(names[number].format(key), stored, recomputed)


#: By account and instrument; a sale has a negative size.
HELD: Final = f"SELECT account_id, instrument_id, quantity, cost, margin {OPEN_POSITIONS}"
TRADED: Final = f"""
SELECT account_id, instrument_id, CASE side WHEN '{Side.BUY.value}' THEN size ELSE -size END,
    price, leverage
FROM trading_trade ORDER BY account_id, instrument_id, id
"""
ROWS_AT_ONCE: Final = 2_000


def positions() -> Iterator[Difference]:
    """Quantity, cost and margin of each open position = its trades, applied one by one."""
    stored = {(account, instrument): Holding(*held) for account, instrument, *held in rows_of(HELD)}
    recomputed = replayed()
    for key in sorted({*stored, *recomputed}):
        left, right = stored.get(key), recomputed.get(key)
        if left != right:
            what = "position of account {} in instrument {}".format(*key)
            yield Difference(what, left, right)


def replayed() -> dict[tuple[int, int], Holding]:
    """Return the open holdings by (account, instrument) that the trades add up to."""
    holdings = {}
    for key, fills in groupby(many_rows_of(TRADED), key=lambda row: (row[0], row[1])):
        holding = Holding()
        for *_, size, price, leverage in fills:
            holding = apply_fill(holding, size, price, leverage).holding
        if holding.quantity:
            holdings[key] = holding
    return holdings


def rows_of(statement: str) -> list[tuple[Any, ...]]:
    """Return the rows of a statement that history does not lengthen."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def many_rows_of(statement: str) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a statement, read bit by bit, however many there are."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(statement)
        while rows := cursor.fetchmany(ROWS_AT_ONCE):
            yield from rows


#: By account the first of its fill numbers that is another one than its place among them; along
#: their index, which has this order.
MISNUMBERED: Final = """
SELECT DISTINCT ON (account_id) account_id, fill_number, place FROM (
    SELECT account_id, fill_number,
        row_number() OVER (PARTITION BY account_id ORDER BY fill_number) AS place
    FROM trading_trade WHERE fill_number IS NOT NULL
) AS counted
WHERE fill_number <> place ORDER BY account_id, place
"""
#: Accounts held back after more fills than they have.
COUNTED_TOO_MANY: Final = """
SELECT id, fills_before, latest FROM (
    SELECT id, fills_before, coalesce((
        SELECT max(fill_number) FROM trading_trade
        WHERE account_id = account.id AND fill_number IS NOT NULL
    ), 0) AS latest
    FROM accounts_account AS account WHERE fills_before > 0
) AS held_back
WHERE fills_before > latest ORDER BY id
"""


def fill_numbers() -> Iterator[Difference]:
    """The counted fills of an account are numbered from 1 on, none left out and none twice.

    What the throttle counted when it last held the account back is one of them.
    """
    for account_id, number, place in rows_of(MISNUMBERED):
        yield Difference(f"fill number of account {account_id}", number, place)
    for account_id, before, latest in rows_of(COUNTED_TOO_MANY):
        yield Difference(f"fills before of account {account_id}", before, latest)


def bounds() -> Iterator[Difference]:
    """No account's bound lets a breach go unseen."""
    for account_id, stored, exact in unsafe_bounds():
        yield Difference(f"breach bound of account {account_id}", stored, exact)


def system_balances() -> Iterator[Difference]:
    """What is kept of system accounts, checkpoint and movements = Σ of their transfers.

    The insurance fund never pays more than it holds.
    """
    for kind in (AccountKind.INSURANCE, AccountKind.BAD_DEBT):
        stored = system_balance(kind=kind)
        summed = transferred_balance(account_id=system_account_id(kind))
        if stored != summed:
            yield Difference(f"balance of the {kind.label}", stored, summed)
        if kind == AccountKind.INSURANCE and summed < 0:
            yield Difference("insurance fund", summed, "at least 0")


CHECKS: Final[tuple[Callable[[], Iterable[Difference]], ...]] = (
    sums,
    positions,
    fill_numbers,
    bounds,
    system_balances,
)
