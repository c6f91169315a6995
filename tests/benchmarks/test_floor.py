"""The floor of the benchmarks holds the statements that an order runs, its ids as variables."""

from decimal import Decimal

from django.db import connection

from benchmarks.floor import as_command, capture, rendered, statements_of_connection
from benchmarks.population import ACCOUNT_BASE, ORDER_BASE, USER_BASE
from risk.engine import Intent
from tests.each import each
from tests.trading.conftest import Trader
from trading.services import place_order


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


def test_what_an_order_draws_its_id_with_has_columns_that_variables_can_be_named_by(
    trader: Trader,
) -> None:
    user = trader()
    intent = Intent(symbol="BTCUSDT", is_buy=True, size=Decimal("0.001"))

    captured = capture(lambda: place_order(user_id=user.id, intent=intent))

    [draws] = [one for one in captured if "nextval(" in one[0]]
    with connection.cursor() as cursor:
        cursor.execute(*draws)
        names = [column.name for column in cursor.description]
    assert names[0] == "nextval"
    assert all(name.isidentifier() for name in names), names


def test_statements_are_captured_with_their_parameters(db: None) -> None:
    with statements_of_connection() as captured, connection.cursor() as cursor:
        cursor.execute("SELECT %s::int", [7])

    assert captured == [("SELECT %s::int", [7])]
