"""The floor of the benchmarks holds the statements that an order runs, its ids as variables."""

from decimal import Decimal

from benchmarks.floor import as_command, rendered, statements_of_connection
from benchmarks.population import ACCOUNT_BASE, ORDER_BASE, USER_BASE
from tests.each import each


@each(
    ("value", "expected"),
    [
        (USER_BASE, ":user_id"),
        (Decimal("6.50"), "6.50::numeric"),
        ("BTCUSDT", "'BTCUSDT'"),
        ([], "'{}'"),
        (
            f'{{"id": {ORDER_BASE}, "share": "5 %", "account_id": {ACCOUNT_BASE}}}',
            """format('{"id": %s, "share": "5 %%", "account_id": %s}', """
            ":new_nextval::text, :account_id::text)",
        ),
    ],
)
def test_parameters_become_sql_with_ids_as_variables(value: object, expected: str) -> None:
    assert rendered(value) == expected


def test_an_id_drawn_from_a_sequence_is_kept_in_a_variable() -> None:
    command = as_command("SELECT nextval('trading_order_id_seq') WHERE 1 = %s", [1])

    assert command == "SELECT nextval('trading_order_id_seq') WHERE 1 = 1 \\gset new_\n"


def test_statements_are_captured_with_their_parameters(db: None) -> None:
    from django.db import connection

    with statements_of_connection() as captured, connection.cursor() as cursor:
        cursor.execute("SELECT %s::int", [7])

    assert captured == [("SELECT %s::int", [7])]
