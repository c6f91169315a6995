"""Every read of the API and every endless list of the console over 1,000,000 orders.

One account owns a third of all rows. Requests go through the whole application in this process,
without a socket: what is measured is all that a read costs but the way to it.
"""

from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Final
from urllib.parse import quote

from django.db import connection
from django.utils import timezone

from benchmarks import population
from benchmarks.figures import Figure, at_most
from benchmarks.parts.dashboard import SNAPSHOTS_SQL
from benchmarks.stage import Stage
from benchmarks.timing import median_of

TITLE = "Reads over 1,000,000 orders and 600,000 trades, of whom one account owns a third"

HISTORY: Final = Path(__file__).parents[1] / "history.sql"
ORDERS: Final = 1_000_000
ACCOUNTS: Final = 1_000
INSTRUMENTS: Final = 12
#: So many orders, the oldest ones, are of an instrument that nobody has traded since.
RARE: Final = 60
OFTEN, RARELY, NEVER = (f"SYM{number:02}USDT" for number in (3, 10, 11))
SLOWEST: Final = at_most(20)
TURNS: Final = 15

#: Filters of the lists, by what they look for.
FILTERS: Final = {
    "newest": "",
    "a symbol": f"symbol={OFTEN}",
    "a symbol of long ago": f"symbol={RARELY}",
    "a symbol without a match": f"symbol={NEVER}",
    "the last minute": "since={minute_ago}",
    "of 20 days ago": "since={then}&until={day_later}",
    "until 20 days ago": "until={then}",
    "from tomorrow on": "since={tomorrow}",
}
LISTS: Final = ("/orders", "/trades", "/positions", "/liquidations")
STATUSES: Final = {
    "/orders": ("FILLED", "CANCELED", "EXPIRED"),
    "/positions": ("OPEN", "CLOSED", "LIQUIDATED"),
}
SINGLE: Final = (
    "/account/me",
    "/account/{user}",
    f"/market/price/{OFTEN}",
    "/market/prices",
    "/market/instruments",
    f"/market/candles/{OFTEN}?interval=1m&limit=100",
    "/kpi/system",
    "/kpi/system?window=24h",
    "/kpi/trading",
    "/kpi/trading?window=24h",
    "/kpi/security",
    "/kpi/security?window=24h",
    "/kpi/history?metric=orders_per_second&window=24h",
    "/kpi/history?metric=open_interest&window=24h",
)
PAGES: Final = {
    "first page": "",
    "last page": "above=0",
    "search for a number": "q=4711",
    "search for an owner": "q=trader-7",
    "search without a match": "q=nobody",
}
CONSOLE: Final = {
    "trading/order": (
        "status__exact=CANCELED",
        "status__exact=EXPIRED",
        "reject_code=trading_halted",
        f"symbol={NEVER}",
    ),
    "trading/trade": ("liquidation__isempty=0",),
    "trading/liquidation": (),
    "accounts/transfer": ("kind__exact=fee",),
    "risk/position": ("status__exact=OPEN", "status__exact=LIQUIDATED"),
}


def measure(stage: Stage) -> list[Figure]:
    """Return the median duration of each read; of a page of the console, that of its statements."""
    with stage.database("history"):
        stage.say(f"loading {stage.scaled(ORDERS):,} orders and what belongs to them")
        load(stage)
        stage.say("reading")
        return [
            *(Figure(name, milliseconds(read), "ms", SLOWEST) for name, read in api_reads()),
            *(Figure(name, in_database(read), "ms", SLOWEST) for name, read in console_reads()),
        ]


def milliseconds(read: Callable[[], object]) -> float:
    """Return the median of some turns, after one that warms up what is read once."""
    read()
    return 1000 * median_of([read] * TURNS)


def in_database(read: Callable[[], object]) -> float:
    """Return the same of what its statements take: a page is mostly the making of HTML."""
    read()
    return 1000 * median(seconds_of_statements(read) for _ in range(TURNS))


def seconds_of_statements(read: Callable[[], object]) -> float:
    took = []

    def time(execute: Any, *statement: Any) -> Any:
        started = perf_counter()
        try:
            return execute(*statement)
        finally:
            took.append(perf_counter() - started)

    with connection.execute_wrapper(time):
        read()
    return sum(took)


def load(stage: Stage) -> None:
    """Load what the reads go through; no ledger would bear it out."""
    from kpi.history.snapshots import slot_of, take_snapshot
    from kpi.models import KpiReading, KpiSnapshot

    listed = population.list_instruments(
        [(f"SYM{number:02}USDT", Decimal(10)) for number in range(INSTRUMENTS)]
    )
    population.lift_limits()
    names = {
        "account": population.ACCOUNT_BASE,
        "accounts": ACCOUNTS,
        "ids": f"ARRAY{[instrument.id for instrument in listed]}",
        "orders": stage.scaled(ORDERS),
        "rare": RARE,
    }
    population.execute(HISTORY.read_text().format(**names))
    population.add_portfolios(accounts=ACCOUNTS, per_account=10, instruments=listed[:10])
    population.execute(SNAPSHOTS_SQL.format(days=3 if stage.quick else 29))
    population.settle()
    for _ in range(2):  # the second reading keeps what the first one saw
        KpiReading.objects.update(read_at=None)
        KpiSnapshot.objects.filter(slot__gte=slot_of(timezone.now())).delete()
        take_snapshot()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def api_reads() -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield the reads of the API by name, as the busy owner and as staff."""
    from accounts.models import User

    owner = User.objects.get(pk=population.USER_BASE)
    staff = User.objects.create_superuser("head", password=None)
    for path in SINGLE:
        user = staff if "{user}" in path else owner
        yield f"GET {path}", api(user, path.format(user=owner.pk))
    for user, whose in ((owner, "own"), (staff, "all")):
        for path in LISTS:
            yield from list_reads(user, path, whose)


def api(user: Any, path: str) -> Callable[[], object]:
    """Return a call of the API with a token of the user's."""
    from rest_framework.test import APIClient

    from accounts.authentication import issue_token
    from accounts.keys import issue_api_key

    key, _ = issue_api_key(reason="A test", user=user)
    client = APIClient(HTTP_AUTHORIZATION=f"Bearer {issue_token(key)}")
    return partial(fetch, client, path)


def fetch(client: Any, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200, (path, answer.content)


def list_reads(user: Any, path: str, whose: str) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield a list's reads: its filters, and a page half-way back."""
    now = timezone.now()
    moments = {
        "minute_ago": now - timedelta(minutes=1),
        "then": now - timedelta(days=20),
        "day_later": now - timedelta(days=19),
        "tomorrow": now + timedelta(days=1),
    }
    written = {name: quote(moment.isoformat()) for name, moment in moments.items()}
    filters = {
        **FILTERS,
        **{status: f"status={status}" for status in STATUSES.get(path, ())},
        "half-way back": f"cursor={cursor_at(path)}",
    }
    for name, query in filters.items():
        yield f"GET {path} ({whose}), {name}", api(user, f"{path}?{query.format(**written)}")


def cursor_at(path: str) -> str:
    """Return the cursor of a page in the middle of a list."""
    [model] = (model for model in models() if model._meta.verbose_name_plural == path[1:])
    middle = model.objects.values_list("pk", flat=True)[model.objects.count() // 2]
    return quote(b64encode(f"p={middle}".encode()))


def models() -> list[Any]:
    from accounts.models import Transfer
    from risk.models import Position
    from trading.models import Liquidation, Order, Trade

    return [Order, Trade, Position, Liquidation, Transfer]


def console_reads() -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield the lists of the console."""
    from django.test import Client

    from accounts.models import User

    client = Client()
    client.force_login(User.objects.get(username="head"))
    for path, filters in CONSOLE.items():
        for name, query in (PAGES | {one: one for one in filters}).items():
            yield f"Console, {path}, {name}", partial(fetch, client, f"/admin/{path}/?{query}")
