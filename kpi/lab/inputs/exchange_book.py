"""Takes the accounts of the running exchange, with what they hold, as they are at one moment."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import Account, AccountKind
from kpi.lab.inputs.book_file import AccountLine, Header, Held, write_book
from market.kernel.amounts import ZERO
from market.kernel.snapshot import consistent_read
from market.models import Instrument
from risk.selectors import open_positions

#: Rows that are in memory at a time.
CHUNK: Final = 2_000


def take_book(path: Path) -> None:
    """Write the accounts of users, their open positions and the marks into a file.

    All as of one moment, a part at a time, however many there are. Raises StudyError.
    """
    with consistent_read():
        listed = Instrument.objects.order_by("symbol").values_list("symbol", "mark_price")
        marks = {symbol: mark for symbol, mark in listed if mark is not None}
        write_book(path, Header(timezone.now(), marks), account_lines())


def account_lines() -> Iterator[AccountLine]:
    """Yield the accounts by id."""
    rows = accounts().iterator(CHUNK)
    while part := list(islice(rows, CHUNK)):
        held = positions_of([row["id"] for row in part])
        for row in part:
            yield AccountLine(
                account=row["id"],
                tier=row["user__tier"],
                suspended=row["suspended"],
                balance=row["balance"],
                reserved_margin=row["reservation__reserved_margin"] or ZERO,
                reserved_notional=row["reservation__reserved_notional"] or ZERO,
                positions=held[row["id"]],
            )


def accounts() -> QuerySet[Account, dict[str, Any]]:
    reserved = ("reservation__reserved_margin", "reservation__reserved_notional")
    users = Account.objects.filter(kind=AccountKind.USER).order_by("id")
    return users.values("id", "user__tier", "suspended", "balance", *reserved)


def positions_of(account_ids: list[int]) -> dict[int, dict[str, Held]]:
    """Return what accounts hold, by account and symbol."""
    held = defaultdict[int, dict[str, Held]](dict)
    rows = open_positions().filter(account__in=account_ids).order_by("instrument__symbol")
    for account, symbol, *amounts in rows.values_list(
        "account_id", "instrument__symbol", "quantity", "cost", "margin"
    ):
        held[account][symbol] = Held(*amounts)
    return held
