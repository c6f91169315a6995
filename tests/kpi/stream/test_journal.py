"""Passes over the journal: in order per account, and without what a late commit would skip."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from django.db import connection

from kpi.errors import InvalidLastEventId
from kpi.stream.cursors import Cursor, read_cursor
from kpi.stream.journal import (
    Event,
    Scope,
    check_cursor,
    forget_old_events,
    head,
    read_page,
    statement_for,
)
from tests.each import each

pytestmark = pytest.mark.django_db(transaction=True)

NOTE = "INSERT INTO kpi_streamevent (channel, account_id, object_id) VALUES (%s, %s, %s)"

MANY = """
INSERT INTO kpi_streamevent (channel, account_id, object_id)
SELECT 'orders', 2 + n %% 500, n FROM generate_series(1, %s) AS n
"""


@contextmanager
def session() -> Iterator[psycopg.Connection]:
    """Another client's connection, whose transaction begins with its first statement."""
    at = connection.settings_dict
    with psycopg.connect(
        host=at["HOST"],
        port=at["PORT"],
        dbname=at["NAME"],
        user=at["USER"],
        password=at["PASSWORD"],
    ) as opened:
        yield opened


def note(session: psycopg.Connection, number: int, account: int = 1) -> None:
    session.execute(NOTE, ["orders", account, number])


def without_others(cursor: Cursor, *ours: int) -> Cursor:
    """Return a cursor of the same events as if on this server only our transactions had run.

    A snapshot holds those of other tests' databases too, and of one that has ended since nobody
    can say that nothing of it was forgotten.
    """
    snapshot = f"{min([*ours, cursor.next])}:{cursor.next}:{','.join(map(str, ours))}"
    return replace(cursor, snapshot=snapshot)


def transaction_of(session: psycopg.Connection) -> int:
    [xid] = session.execute("SELECT pg_current_xact_id()::text::bigint").fetchone() or [0]
    return int(xid)


def numbers(events: list[Event]) -> list[int | None]:
    return [event.object_id for event in events]


def test_a_late_commit_of_lower_numbers_is_not_skipped() -> None:
    start = head()
    with session() as early, session() as late:
        note(early, 1)
        note(late, 2)
        late.commit()
        first = read_page(start)
        assert numbers(first.events) == [2]
        early.commit()
        second = read_page(first.cursor)
        assert numbers(second.events) == [1]
        assert read_page(second.cursor).events == []
    assert numbers(read_page(start).events) == [1, 2]  # who missed both passes gets each once


def test_an_accounts_events_come_in_the_order_of_commits_though_the_older_one_waited() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM accounts_account ORDER BY id LIMIT 1")
        [account] = cursor.fetchone()
    lock = "SELECT 1 FROM accounts_account WHERE id = %s FOR UPDATE"
    start = head()
    with session() as older, session() as younger:
        xid = transaction_of(older)
        younger.execute(lock, [account])
        note(younger, 1, account)
        younger.commit()
        # A horizon waits for the older one, and then tells all in the order of transactions.
        horizon = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
        [oldest] = younger.execute(horizon).fetchone() or [0]
        assert oldest <= xid  # it would hold the younger one's event back
        younger.commit()
        first = read_page(start)
        assert numbers(first.events) == [1]  # which is told here
        older.execute(lock, [account])
        note(older, 2, account)
        older.commit()
        assert numbers(read_page(first.cursor).events) == [2]
    with connection.cursor() as cursor:
        cursor.execute("SELECT object_id FROM kpi_streamevent ORDER BY xid")
        assert [row[0] for row in cursor.fetchall()] == [2, 1]  # as a horizon would tell them
    assert numbers(read_page(start).events) == [1, 2]


def test_an_event_that_was_undone_is_never_told() -> None:
    start = head()
    with session() as one:
        note(one, 1)
        one.rollback()
        note(one, 2)
        one.commit()
    assert numbers(read_page(start).events) == [2]


def test_a_reader_gets_its_own_and_what_is_for_everybody() -> None:
    start = head()
    with session() as one:
        for number, account in enumerate([1, 2]):
            note(one, number, account)
        one.execute(NOTE, ["halts", None, 2])
        one.execute(NOTE, ["trades", 1, 9])
        one.commit()
    scopes = [
        (Scope(["orders", "halts"], account_id=1), [0, 2]),
        (Scope(["orders", "halts"]), [2]),
        (Scope(["kpi"]), []),
        (Scope(["orders", "halts", "trades"], everybody=True), [0, 1, 2, 9]),
    ]
    for scope, seen in scopes:
        assert numbers(read_page(start, head(), 0, scope).events) == seen


def test_a_page_of_one_account_looks_at_no_events_of_others() -> None:
    start = head()
    with session() as one:
        one.execute(MANY, [5_000])
        note(one, 7)
        one.execute(NOTE, ["halts", None, 8])
        one.commit()
        one.execute("ANALYZE kpi_streamevent")
    scope = Scope(["orders", "halts"], account_id=1)
    assert numbers(read_page(start, head(), 0, scope).events) == [7, 8]
    with connection.cursor() as cursor:
        statement = statement_for(start, head(), 0, scope)
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}")
        [plan] = cursor.fetchone()
    assert looked_at(plan[0]["Plan"]) < 100


def looked_at(plan: dict[str, Any]) -> int:
    """Return how many rows the scans of a plan came across."""
    own = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
    return int(own) + sum(looked_at(part) for part in plan.get("Plans", []))


def test_what_is_forgotten_is_told_to_be() -> None:
    start = head()
    with session() as one:
        note(one, 1)
        one.commit()
    after = without_others(head())
    assert forget_old_events() == 0
    with connection.cursor() as cursor:
        cursor.execute("UPDATE kpi_streamevent SET created_at = now() - interval '61 minutes'")
    assert forget_old_events() == 1
    assert read_page(start).is_forgotten
    assert not read_page(after).is_forgotten
    assert read_page(Cursor(after.database + 1, 0, after.snapshot)).is_forgotten


def test_a_transaction_that_outlasts_what_is_kept_hides_nothing_of_others() -> None:
    with session() as lasting, session() as one:
        note(lasting, 1)
        start = head()
        note(one, 2)
        one.commit()
        after = without_others(read_page(start).cursor, transaction_of(lasting))
        with connection.cursor() as cursor:
            cursor.execute("UPDATE kpi_streamevent SET created_at = now() - interval '61 minutes'")
        assert forget_old_events() == 1
        note(one, 3)
        one.commit()
        page = read_page(after)
        assert (page.is_forgotten, numbers(page.events)) == (False, [3])
        assert read_page(start).is_forgotten
        lasting.commit()
        assert numbers(read_page(page.cursor).events) == [1]


@pytest.mark.django_db
@each(
    "text",
    [
        *("", "1", "1.2", "4711", "1.2.3", "1.2.3:2:", "1.2.3:9:2", "1.2.3:9:5,4", "1.2.3:9:,"),
        *(
            "1.2.3:9:9",
            "1.2.3:9:10",
            "1.2.0:0:",
            "-1.2.3:9:",
            "1.2.3:9:\n",
            "1.2.٣:9:",
            "1.2.3:9:4;--",
        ),
        "1.2.3:9:" + ",".join(["4"] * 5_000),
        "9" * 1_000_000,
    ],
)
def test_a_cursor_is_read_strictly(text: str) -> None:
    with pytest.raises(InvalidLastEventId):
        read_cursor(text)


def test_a_cursor_leads_back_to_itself_and_not_into_the_future() -> None:
    now = head()
    assert read_cursor(str(now)) == now
    check_cursor(now)
    with pytest.raises(InvalidLastEventId):
        check_cursor(read_cursor(f"{now.database}.0.999999999999:999999999999:"))
