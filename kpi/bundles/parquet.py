"""Parquet by DuckDB, of the policy lab's extra: tables with their types, and back as text."""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from kpi.lab.extra import needs_the_extra

ROWS: Final = 2_000
PART: Final = 1 << 20


@cache
def database() -> Any:
    """Return a database in memory that works the same way each time. Raises LabNotInstalled."""
    with needs_the_extra():
        import duckdb
    return duckdb.connect(config={"threads": 1})


def as_parquet(csv: Iterable[bytes], types: Mapping[str, str]) -> Iterator[bytes]:
    """Yield a Parquet file of a CSV file whose columns have these types."""
    with tempfile.TemporaryDirectory() as directory, database().cursor() as cursor:
        source, target = Path(directory, "rows.csv"), Path(directory, "rows.parquet")
        with source.open("wb") as file:
            file.writelines(csv)
        rows = cursor.read_csv(
            str(source), header=True, columns=dict(types), auto_detect=False, quotechar='"'
        )
        rows.write_parquet(str(target), compression="zstd")
        with target.open("rb") as file:
            while part := file.read(PART):
                yield part


def rows_of_parquet(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield the rows of a Parquet file as text. Raises ValueError where it cannot be read."""
    with database().cursor() as cursor:
        import duckdb

        try:
            if cursor.read_parquet(str(path)).columns != list(columns):
                raise ValueError("its columns are not those that the manifest tells of")
            texts = ", ".join(f"coalesce(\"{name}\"::VARCHAR, '')" for name in columns)
            cursor.execute(f"SELECT {texts} FROM read_parquet(?)", [str(path)])  # noqa: S608
            while part := cursor.fetchmany(ROWS):
                yield from part
        except duckdb.Error as error:
            raise ValueError(str(error).splitlines()[0]) from error
