"""Versions of configuration rows, and the lock that a change of one takes.

Who changes a row says which version they saw; what somebody else changed meanwhile is not undone.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import Model
from simple_history.utils import get_history_model_for_model

from market.kernel.errors import StaleVersion


def version_of(row: Model) -> str:
    """Return a digest of what the history of a row keeps, and of the rows that it lists."""
    fields = get_history_model_for_model(type(row)).tracked_fields
    state = [f"{field.name}={field.value_to_string(row)!r}" for field in fields]
    for relation in row._meta.many_to_many:
        keys = relation.value_from_object(row) if row.pk else []
        state.append(f"{relation.name}={sorted(one.pk for one in keys)!r}")
    return hashlib.sha256("\n".join(state).encode()).hexdigest()[:16]


def lock_row(row: Model, *, version: str | None = None) -> None:
    """Lock a configuration row until the transaction ends and read it into ``row`` anew.

    Raises StaleVersion where ``version``, if given, is not that of the row.
    """
    row.refresh_from_db(from_queryset=type(row)._base_manager.select_for_update(no_key=True))
    if version is not None and version != version_of(row):
        raise StaleVersion


@transaction.atomic
def write_configuration(
    row: Any, values: Mapping[str, Any], reason: str, version: str | None = None
) -> None:
    """Write what of a row is not as asked for already, under its lock; its history says why.

    Raises StaleVersion as ``lock_row`` does.
    """
    lock_row(row, version=version)
    changed = [name for name, value in values.items() if getattr(row, name) != value]
    if not changed:
        return
    for name in changed:
        setattr(row, name, values[name])
    row._change_reason = reason
    row.save(update_fields=changed)
