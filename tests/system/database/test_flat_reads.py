"""What every client asks all the time costs the same after a long history of an account.

Counted in pages and rows of the plans themselves, for plans made for the values at hand and for
those that PostgreSQL keeps for any values, as it does for the statements of a busy connection.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, Final, TypeVar
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from psycopg import sql as sql_text

from accounts.models import Account, User
from accounts.services import create_user
from kpi.alerts.rules import evaluate_rules
from market.services import list_instrument
from risk.engine import Intent
from tests.conftest import ApiClient, ClientOf
from trading.services import place_order
from trading.steps.by_hand import step_at_prices

D = Decimal
T = TypeVar("T")
PLACEHOLDER = re.compile(r"%\((\w+)\)s|%s")
MODES = ("force_custom_plan", "force_generic_plan")
#: Older ones than the open ones.
CLOSED_POSITIONS = """
INSERT INTO risk_position (id, account_id, instrument_id, quantity, cost, margin, leverage,
    realized_pnl, status, opened_at, closed_at)
SELECT -1000 * past - id, account_id, instrument_id, 0, 0, 0, 1, 0, 'CLOSED', now(), now()
FROM (SELECT * FROM risk_position WHERE status = 'OPEN' ORDER BY id LIMIT 2) AS own
CROSS JOIN generate_series(%s::int, %s::int) AS past
"""
ENDED_ORDERS = """
INSERT INTO trading_order (account_id, instrument_id, symbol, client_order_id, fingerprint, side,
    type, size, leverage, reduce_only, liquidation, status, reject_code, reject_detail, filled_size,
    required_margin, reserved_margin, reserved_notional, venue, accepted_as, created_at, updated_at)
SELECT account_id, instrument_id, symbol, 'past-' || past, '', side, 'market', size,
    leverage, false, false, 'CANCELED', '', '', 0, 0, 0, 0, venue, 'NEW', created_at, updated_at
FROM (SELECT * FROM trading_order ORDER BY id LIMIT 1) AS one
CROSS JOIN generate_series(%s::int, %s::int) AS past
"""


#: In both directions, those that were received before all that were paid.
TRANSFERS = """
INSERT INTO accounts_transfer
    (kind, debit_account_id, credit_account_id, amount, reference, reason, created_at)
SELECT kind, side.debit, side.credit, amount, '', '', created_at
FROM (SELECT * FROM accounts_transfer ORDER BY id LIMIT 1) AS one
CROSS JOIN generate_series(%s::int, %s::int)
CROSS JOIN LATERAL (VALUES (debit_account_id, credit_account_id),
    (credit_account_id, debit_account_id)) AS side (debit, credit)
ORDER BY side.debit = credit_account_id
"""
#: Of one rule, each about an event of its own.
ENDED_ALERTS = """
INSERT INTO kpi_alert
    (rule_id, subject, severity, threshold, value, peak, opened_at, last_seen_at, resolved_at)
SELECT id, 'past-' || past, severity, threshold, threshold, threshold, now(), now(), now()
FROM (SELECT * FROM kpi_alertrule ORDER BY id LIMIT 1) AS one
CROSS JOIN generate_series(%s::int, %s::int) AS past
"""
#: An open position of each account that has none. Were few positions open, the sample that the
#: planner takes could miss them all: then it looks for them among those of everybody, and passes by
#: what other tests rolled back.
POSITIONS_OF_OTHERS = """
INSERT INTO risk_position (account_id, instrument_id, quantity, cost, margin, leverage,
    realized_pnl, status, opened_at)
SELECT account.id, instrument_id, quantity, cost, margin, leverage, 0, 'OPEN', opened_at
FROM (SELECT * FROM risk_position ORDER BY id LIMIT 1) AS one CROSS JOIN accounts_account AS account
WHERE account.id NOT IN (SELECT account_id FROM risk_position)
"""
#: An order of each account: to the planner, who sees an average, nobody has many.
ORDERS_OF_OTHERS = """
INSERT INTO trading_order (account_id, instrument_id, symbol, fingerprint, side, type, size,
    leverage, reduce_only, liquidation, status, reject_code, reject_detail, filled_size,
    required_margin, reserved_margin, reserved_notional, venue, accepted_as, created_at, updated_at)
SELECT account.id, instrument_id, symbol, '', side, 'market', size,
    leverage, false, false, 'CANCELED', '', '', 0, 0, 0, 0, venue, 'NEW', now(), now()
FROM (SELECT * FROM trading_order ORDER BY id LIMIT 1) AS one CROSS JOIN accounts_account AS account
"""
#: A transfer of each account in either direction, likewise.
TRANSFERS_OF_OTHERS = """
INSERT INTO accounts_transfer
    (kind, debit_account_id, credit_account_id, amount, reference, reason, created_at)
SELECT one.kind, side.debit, side.credit, amount, '', '', one.created_at
FROM (SELECT * FROM accounts_transfer ORDER BY id LIMIT 1) AS one
CROSS JOIN (SELECT id FROM accounts_account WHERE user_id IS NOT NULL) AS account
CROSS JOIN LATERAL (VALUES (debit_account_id, account.id), (account.id, debit_account_id))
    AS side (debit, credit)
"""


OF_USER: Final = """SELECT (
    SELECT account.id FROM accounts_account AS account
    JOIN accounts_user AS owner ON owner.id = account.user_id WHERE username = %s)
"""


class Explained:
    """Runs every SELECT of a block a second time as a prepared one and adds up what it read.

    Of the tables that histories are in: how others are joined, of which a page needs as many rows
    as ever, the planner decides by what autovacuum has seen of other tests.
    """

    def __init__(self) -> None:
        self.pages = self.rows = 0
        self.plans: list[Any] = []

    def __call__(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        result = execute(sql, params, many, context)
        if sql.lstrip().startswith("SELECT") and "FOR " not in sql:
            self.explain(sql, params)
        return result

    def explain(self, sql: str, params: Any) -> None:
        values: list[Any] = []

        def numbered(match: re.Match[str]) -> str:
            name = match.group(1)
            values.append(params[name] if name else params[len(values)])
            return f"${len(values)}"

        text = PLACEHOLDER.sub(numbered, sql)
        given = sql_text.SQL(", ").join(map(sql_text.Literal, values))
        call = sql_text.SQL("({})").format(given) if values else sql_text.SQL("")
        raw = connection.connection
        raw.execute(f"PREPARE asked AS {text}")
        explain = sql_text.SQL("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE asked") + call
        [[plan]] = raw.execute(explain).fetchall()
        raw.execute("DEALLOCATE asked")
        self.add(plan[0]["Plan"])
        self.plans.append(plan[0]["Plan"])

    def add(self, plan: dict[str, Any]) -> None:
        for table, node in scans(plan):
            if table not in PAST.values():
                continue
            if "Relation Name" in node:
                self.pages += node["Shared Hit Blocks"] + node["Shared Read Blocks"]
            # What a bitmap leads to was read from its index.
            if node["Node Type"] != "Bitmap Heap Scan":
                read = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
                self.rows += round(read * node["Actual Loops"])


def scans(plan: dict[str, Any], table: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what reads a table, with its name; a bitmap's index reads that of the scan above it."""
    table = plan.get("Relation Name", table)
    if plan["Node Type"].endswith("Scan"):
        yield table, plan
    for child in plan.get("Plans", ()):
        yield from scans(child, table)


@pytest.fixture(autouse=True)
def ids_of_transfers(db: None) -> Iterator[None]:
    """Draw the ids of later tests' transfers where these began, which no rollback does.

    By an id the console tells that there are too many to add up in passing.
    """
    name = "accounts_transfer_id_seq"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT last_value, is_called FROM {name}")
        before = cursor.fetchone()
    yield
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT setval('{name}', %s, %s)", before)


@pytest.fixture
def trader(db: None) -> User:
    """A trader with a position in each of two instruments."""
    for base in ("BTC", "ETH"):
        list_instrument(
            reason="A test",
            symbol=f"{base}USDT",
            base_asset=base,
            tick_size=D("0.01"),
            lot_size=D("0.00001"),
        )
    step_at_prices({"BTCUSDT": D(65_000), "ETHUSDT": D(3_200)})
    user = create_user(username="busy", opening_balance=D(100_000))
    for symbol in ("BTCUSDT", "ETHUSDT"):
        place_order(user_id=user.pk, intent=Intent(symbol, True, D("0.01")))
    return user


@pytest.fixture(autouse=True)
def others(trader: User) -> None:
    """Two thousand accounts with hardly a history."""
    users = User.objects.bulk_create(User(username=f"other{n}") for n in range(2_000))
    Account.objects.bulk_create(Account(user=user) for user in users)
    write((ORDERS_OF_OTHERS,), (TRANSFERS_OF_OTHERS,))
    analyze("accounts_user", "accounts_account")


def write(*statements: tuple[Any, ...]) -> None:
    """Insert rows that are copies of sound ones: no trigger looks at each of them again."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for statement in statements:
            cursor.execute(*statement)
        cursor.execute("SET LOCAL session_replication_role = origin")


#: What inserts what is past, and into which table.
PAST: Final = {
    CLOSED_POSITIONS: "risk_position",
    ENDED_ORDERS: "trading_order",
    TRANSFERS: "accounts_transfer",
    ENDED_ALERTS: "kpi_alert",
}
#: What is past of an account.
OF_ACCOUNT: Final = (CLOSED_POSITIONS, ENDED_ORDERS, TRANSFERS)


def add_history(first: int, last: int, of: Sequence[str]) -> None:
    write(*((statement, [first, last]) for statement in of))
    analyze(*(PAST[statement] for statement in of))


def analyze(*tables: str) -> None:
    """Let plans know how many rows there are, whatever autovacuum has seen of other tests."""
    with connection.cursor() as cursor:
        # Autovacuum may hold a table for a moment; the deadline of an order placed above is short.
        cursor.execute("SET LOCAL lock_timeout = '60s'")
        for table in tables:
            cursor.execute(f"ANALYZE {table}")
            # As autovacuum leaves them, which no transaction can do.
            cursor.execute(
                "UPDATE pg_class SET relallvisible = relpages WHERE oid = %s::regclass", [table]
            )


def cost_of(act: Callable[[], Any], mode: str) -> Explained:
    explained = Explained()
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL plan_cache_mode = {mode}")
    with connection.execute_wrapper(explained):
        act()
    return explained


def read(api: ApiClient) -> None:
    assert len(api.get("/account/me").json()["positions"]) == 2
    page = api.get("/account/ledger").json()
    assert len(api.get(page["next"]).json()["results"]) == len(page["results"]) == 50
    for name, found in (("past-7", 1), ("unknown", 0)):
        assert len(api.get(f"/orders?client_order_id={name}").json()["results"]) == found


def place(api: ApiClient) -> None:
    order = {"symbol": "BTCUSDT", "side": "buy", "size": "0.001"}
    named = {**order, "client_order_id": str(uuid4())}
    results = api.post("/orders/batch", {"orders": [order, named]}).json()["results"]
    assert [result["status_code"] for result in results] == [200, 200]


Way = tuple[T, str]
Told = list[tuple[Way[T], Explained, Explained]]


def grown(
    asked: Sequence[T],
    act: Callable[[T], Any],
    *histories: tuple[int, int],
    of: Sequence[str] = OF_ACCOUNT,
) -> Told[T]:
    """Ask in each mode after each of two histories, both made once; return all that it cost."""
    ways = [(one, mode) for one in asked for mode in MODES]
    costs = []
    for history in histories:
        add_history(*history, of)
        costs.append([cost_of(partial(act, one), mode) for one, mode in ways])
    return list(zip(ways, *costs, strict=True))


def test_a_long_history_costs_nothing(trader: User, client_of: ClientOf) -> None:
    api = client_of(trader)
    write((POSITIONS_OF_OTHERS,))
    told = grown([read, place], lambda act: act(api), (1, 200), (201, 20_000))
    for way, before, after in told:
        assert len(after.plans) >= 2, way
        assert after.rows <= before.rows + 10, f"{way} {json.dumps(after.plans)}"
        # A tree of more rows may be one page deeper at each look.
        assert after.pages <= before.pages + 20, f"{way} {json.dumps(after.plans)}"


def test_transfers_of_several_accounts_are_found_on_either_side_alone(
    trader: User, client: Client
) -> None:
    """Of rows that these paid or received none of the others is read."""
    client.force_login(User.objects.create_superuser("head", password=None))
    whose = ["other1", "other1&kind__exact=fee", "nobody"]
    page = "/admin/accounts/transfer/?q={}"
    ask, histories = lambda one: client.get(page.format(one)), ((1, 2_000), (2_001, 20_000))
    told = grown(whose, ask, *histories, of=[TRANSFERS])
    for way, before, after in told:
        assert after.rows <= before.rows + 10, f"{way} {json.dumps(after.plans)}"


def test_orders_of_a_name_are_found_however_many_came_since(trader: User, client: Client) -> None:
    for name in ("quiet1", "quiet2"):
        create_user(username=name)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for name in ("quiet1", "quiet2"):
            cursor.execute(ENDED_ORDERS.replace("SELECT account_id", OF_USER), [name, 1, 3_000])
        cursor.execute("SET LOCAL session_replication_role = origin")
    client.force_login(User.objects.create_superuser("head", password=None))
    costs = []
    for history in ((1, 200), (201, 20_000)):
        add_history(*history, [ENDED_ORDERS])
        costs.append(cost_of(lambda: client.get("/admin/search/?q=quiet"), MODES[0]))
    before, after = costs
    assert after.rows <= before.rows + 10, json.dumps(after.plans)
    assert "quiet1" in client.get("/admin/search/?q=quiet").content.decode()


def test_alerts_that_ended_cost_neither_the_rules_nor_the_dashboard(client: Client) -> None:
    client.force_login(User.objects.create_superuser("head", password=None))

    def look() -> None:
        assert client.get("/admin/dashboard/data/?window=1h").status_code == 200

    told = grown(
        [evaluate_rules, look], lambda act: act(), (1, 200), (201, 20_000), of=[ENDED_ALERTS]
    )
    for way, _, after in told:
        found = [
            node for plan in after.plans for table, node in scans(plan) if table == "kpi_alert"
        ]
        read = sum(node["Actual Rows"] + node.get("Rows Removed by Filter", 0) for node in found)
        assert found, way
        assert read <= 10, f"{way} {json.dumps(after.plans)}"
