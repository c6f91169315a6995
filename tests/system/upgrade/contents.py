"""What stands in the database of this process: its rows, and the promises of its schema."""

import re
from collections import Counter
from typing import Final

from django.db import connection

Rows = dict[str, Counter[str]]

TABLES: Final = """
SELECT relname, array_agg(attname ORDER BY attnum) FROM pg_class
JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' GROUP BY relname
"""
#: A dump that was read in words the same conditions with other casts and brackets.
CASTS: Final = re.compile(r"[()]|::(character varying|text)|\[\]")
#: Everything that keeps a promise, as the database itself words it.
SCHEMA: Final = """
SELECT 'column', table_name, column_name::text,
       concat_ws(' ', udt_name, numeric_precision, numeric_scale, character_maximum_length,
                 is_nullable, column_default, is_identity, generation_expression)
FROM information_schema.columns WHERE table_schema = 'public'
UNION ALL
SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid)
FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL
SELECT 'index', tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL
SELECT 'trigger', tgrelid::regclass::text, tgname, pg_get_triggerdef(oid)
FROM pg_trigger WHERE NOT tgisinternal
UNION ALL
SELECT 'function', proname, oidvectortypes(proargtypes), pg_get_functiondef(oid)
FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prokind = 'f'
UNION ALL
SELECT 'view', viewname, '', definition FROM pg_views WHERE schemaname = 'public'
"""


def tables() -> dict[str, list[str]]:
    """The columns of each table."""
    with connection.cursor() as cursor:
        cursor.execute(TABLES)
        return dict(cursor.fetchall())


def rows(columns: dict[str, list[str]]) -> Rows:
    """The rows of each table, in these columns alone, as text."""
    found = {}
    with connection.cursor() as cursor:
        for table, names in columns.items():
            listed = ", ".join(f'"{name}"' for name in names)
            cursor.execute(f'SELECT ROW({listed})::text FROM "{table}"')  # noqa: S608
            found[table] = Counter(row for (row,) in cursor.fetchall())
    return found


def schema() -> set[tuple[str, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(SCHEMA)
        return {tuple(CASTS.sub("", part) for part in row) for row in cursor.fetchall()}
