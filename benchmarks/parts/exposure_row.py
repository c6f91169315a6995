"""The global exposure counter as one row against 16 slots, by pgbench at 8 and 32 clients.

The transaction around it is small, so that the counter is what limits it.
"""

from pathlib import Path
from typing import Final

from benchmarks import population
from benchmarks.figures import Figure
from benchmarks.pgbench import run_script
from benchmarks.stage import Database, Stage

TITLE = "Global exposure: one hot row against 16 slots"

CLIENTS: Final = (8, 32)
SLOTS: Final = (1, 16)
SET_UP: Final = """
CREATE TABLE fact (id bigserial PRIMARY KEY, amount numeric(28, 8) NOT NULL);
CREATE TABLE slot (id int PRIMARY KEY, total numeric(28, 8) NOT NULL) WITH (fillfactor = 10);
INSERT INTO slot SELECT i, 0 FROM generate_series(0, 15) AS i;
"""
#: Each slot carries its share of the threshold, so that the sum can never pass it.
SCRIPT: Final = """\\set slot random(0, {last})
BEGIN;
INSERT INTO fact (amount) VALUES (6.5);
UPDATE slot SET total = total + 6.5 WHERE id = :slot AND total + 6.5 <= 1e15;
COMMIT;
"""


def measure(stage: Stage) -> list[Figure]:
    """Return transactions per second by number of clients and slots, with their ratios."""
    figures = []
    with stage.database("slots") as database:
        population.execute(SET_UP)
        for clients in CLIENTS:
            one, many = (rate(stage, database, clients, slots) for slots in SLOTS)
            figures += [
                Figure(f"{clients} clients: one row", one, "tx/s"),
                Figure(f"{clients} clients: 16 slots", many, "tx/s"),
                Figure(f"{clients} clients: slots ÷ one row", many / one),
            ]
    return figures


def rate(stage: Stage, database: Database, clients: int, slots: int) -> float:
    stage.say(f"{slots} slots, {clients} clients")
    script: Path = stage.local.root / "slots.sql"
    script.write_text(SCRIPT.format(last=slots - 1))
    return run_script(database, script, clients=clients, seconds=stage.seconds(6)).per_second
