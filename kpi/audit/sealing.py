"""Seals captured records: one after the other they get a number, the hash before and their own.

One sealer works at a time; whoever captures waits for none.
"""

from collections.abc import Callable
from typing import Any, Final

from django.db import connection, transaction
from django.utils import timezone

from kpi.audit.chain import HASHED, portable, record_hash
from kpi.audit.models import AuditHead, AuditRecord
from market.kernel.turns import Turn, wait_for_turn

#: Records sealed per transaction, and at most per call.
CHUNK: Final = 2_000
MOST: Final = 100_000

SEAL: Final = """
UPDATE kpi_auditrecord AS record
SET sequence = seal.sequence, previous_hash = seal.previous_hash, hash = seal.hash
FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[])
    AS seal (id, sequence, previous_hash, hash)
WHERE record.id = seal.id
"""


def seal_records(*, most: int = MOST, between: Callable[[], object] = lambda: None) -> int:
    """Seal records that are not yet, up to ``most`` and a chunk, and return how many.

    ``between`` is called after each chunk, which stays sealed whatever that raises.
    """
    sealed = 0
    while sealed < most:
        count = seal_chunk()
        sealed += count
        between()
        if count < CHUNK:
            break
    return sealed


@transaction.atomic
def seal_chunk() -> int:
    """Seal the oldest records that are not yet, and move the head behind them."""
    if not unsealed().exists():
        return 0
    wait_for_turn(Turn.SEAL_AUDIT)
    head = AuditHead.objects.select_for_update().get(id=1)
    records = list(unsealed().values("id", *HASHED)[:CHUNK])
    seals = [seal(record, head) for record in records]
    if seals:
        with connection.cursor() as cursor:
            cursor.execute(SEAL, [list(column) for column in zip(*seals, strict=True)])
        head.sealed_at = timezone.now()
        head.save(update_fields=["sequence", "hash", "sealed_at"])
    return len(seals)


def unsealed() -> Any:
    """Return the records that are not sealed, the oldest first."""
    return AuditRecord.objects.filter(sequence=None).order_by("id")


def seal(record: dict[str, Any], head: AuditHead) -> tuple[int, int, str, str]:
    """Return (id, sequence, previous hash, hash) of a record and make it the head."""
    key = record.pop("id")
    sequence, previous = head.sequence + 1, head.hash
    sealed = portable({**record, "sequence": sequence, "previous_hash": previous})
    head.sequence, head.hash = sequence, record_hash(sealed)
    return key, sequence, previous, head.hash
