"""What check constraints of every app share: a stored amount is a number."""

from decimal import Decimal

from django.db.models import Q, Value
from django.db.models.functions import Greatest
from django.db.models.lookups import LessThanOrEqual

from market.kernel.amounts import LARGEST_AMOUNT


def are_numbers(*names: str, largest: Decimal = LARGEST_AMOUNT) -> Q:
    """Return the condition that no named column is NaN; NULL passes.

    A ``numeric`` column of PostgreSQL takes NaN and ranks it above every number, so that it passes
    ``> 0`` and every other lower bound.
    """
    if len(names) == 1:
        return Q(**{f"{names[0]}__lte": largest})
    return Q(LessThanOrEqual(Greatest(*names), Value(largest)))


def is_limit(name: str) -> Q:
    """Return the condition that a column is a positive number, or NULL, which limits nothing."""
    return Q(**{f"{name}__isnull": True}) | Q(**{f"{name}__gt": 0}) & are_numbers(name)
