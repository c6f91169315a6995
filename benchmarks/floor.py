"""The floor: the SQL of one order as the code runs it, turned into a pgbench script.

The statements are captured while the service places a real order, so that the floor follows the
code. Ids of the captured account become variables of the script; everything else stays as it was.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from django.db import connection
from psycopg import sql

from benchmarks.population import ACCOUNT_BASE, ORDER_BASE, POSITION_BASE, USER_BASE

#: The captured ids and the variables that stand for them; the order's id comes from its sequence.
VARIABLES: Final = {
    str(USER_BASE): ":user_id",
    str(ACCOUNT_BASE): ":account_id",
    str(POSITION_BASE): ":position_id",
    str(ORDER_BASE): ":new_nextval",
}
PLAIN_WRITES: Final = Path(__file__).with_name("plain_floor.sql")
HEAD: Final = f"""\\set i random(0, :accounts - 1)
\\set user_id {USER_BASE} + :i
\\set account_id {ACCOUNT_BASE} + :i
\\set position_id {POSITION_BASE} + :i
BEGIN;
"""

Captured = tuple[str, Any]


def capture(place: Callable[[], object]) -> list[Captured]:
    """Return the statements, with parameters, that ``place`` runs for one order.

    The order is placed for the first account, whose ids are the bases of the population.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT setval('trading_order_id_seq', {ORDER_BASE}, false)")
    with statements_of_connection() as captured:
        place()
    return captured


@contextmanager
def statements_of_connection() -> Iterator[list[Captured]]:
    """Collect what runs on the connection, without savepoints and the like."""
    captured: list[Captured] = []

    def note(execute: Any, statement: Any, parameters: Any, many: bool, context: Any) -> Any:
        captured.append((str(statement), parameters))
        return execute(statement, parameters, many, context)

    with connection.execute_wrapper(note):
        yield captured


def write_script(captured: Sequence[Captured], path: Path, *, accounts: int) -> None:
    """Write a pgbench script that places the captured order for one of ``accounts`` at random."""
    lines = [HEAD.replace(":accounts", str(accounts))]
    lines += [as_command(statement, parameters) for statement, parameters in captured]
    path.write_text("".join([*lines, "COMMIT;\n"]))


def write_plain_script(captured: Sequence[Captured], path: Path, *, accounts: int) -> None:
    """Write the same order as the captured reads and then one plain statement per write.

    Nothing but the rows that change and the order of the locks, exposure rows last: a yardstick
    that stays as it is when the code's own SQL changes.
    """
    reads = [as_command(*one) for one in captured if one[0].lstrip().startswith("SELECT")]
    head = HEAD.replace(":accounts", str(accounts))
    path.write_text("".join([head, *reads, PLAIN_WRITES.read_text(), "COMMIT;\n"]))


def as_command(statement: str, parameters: Any) -> str:
    """Return a statement as a command of the script; what draws an id keeps it in a variable."""
    if isinstance(parameters, Mapping):
        statement %= {name: rendered(value) for name, value in parameters.items()}
    elif parameters:
        statement %= tuple(rendered(value) for value in parameters)
    end = " \\gset new_" if "nextval(" in statement else ";"
    return f"{statement.strip()}{end}\n"


def rendered(value: object) -> str:
    """Return a parameter as SQL, its ids as variables."""
    if isinstance(value, str) and any(marker in value for marker in VARIABLES):
        return rendered_text(value)
    if isinstance(value, Decimal):
        return f"{value}::numeric"
    if isinstance(value, list | tuple | set | frozenset) and not value:
        return "'{}'"
    text = sql.Literal(value).as_string(None)
    for marker, variable in VARIABLES.items():
        text = text.replace(marker, variable)
    return text


def rendered_text(value: str) -> str:
    """Return a text with ids in it as a call that fills them in on the server."""
    template, found = value.replace("%", "%%"), []
    positions = sorted(
        (index, marker)
        for marker in VARIABLES
        for index in range(len(value))
        if value.startswith(marker, index)
    )
    for _, marker in positions:
        template = template.replace(marker, "%s", 1)
        found.append(f"{VARIABLES[marker]}::text")
    literal = sql.Literal(template).as_string(None)
    return f"format({literal}, {', '.join(found)})"
