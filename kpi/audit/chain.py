"""The hash of an audit record: SHA-256 over its canonical JSON, the previous hash included.

Pure, and the same for a record in the database and for a line of an export (docs/audit.md).
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

#: What comes before the first record.
GENESIS: Final = "0" * 64

#: Columns that a hash covers, in the order in which queries and exports name them.
HASHED: Final = (
    "sequence",
    "kind",
    "occurred_at",
    "recorded_at",
    "actor_id",
    "user_id",
    "account_id",
    "reference",
    "details",
    "previous_hash",
)


def canonical(record: Mapping[str, Any]) -> str:
    """Return the text that is hashed: JSON with sorted keys, no spaces, nothing escaped but
    what JSON demands."""
    return json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def record_hash(record: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a record with the keys HASHED, as 64 hex digits."""
    return hashlib.sha256(canonical(record).encode()).hexdigest()


def portable(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a record's columns as an export and its hash write them."""
    return {
        name: moment(value) if isinstance(value, datetime) else value
        for name, value in values.items()
    }


def moment(at: datetime) -> str:
    """Write a time as ISO 8601 in UTC with microseconds: ``2026-01-31T12:00:00.000000+00:00``."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")
