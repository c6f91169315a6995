"""Whose data a caller may see."""

from rest_framework.request import Request

from accounts.models import User
from market.errors import Forbidden

#: The group of the regulators, made by migration.
REGULATORS = "regulator"


def caller(request: Request) -> User:
    """Return the authenticated user of a request."""
    assert isinstance(request.user, User)
    return request.user


def visible_user_id(request: Request) -> int | None:
    """Return the user whose data the caller may see: their own, or None (all) for staff."""
    user = caller(request)
    return None if user.is_staff else user.pk


def must_be_owner(request: Request, user_id: int | None) -> None:
    """Refuse a write that names another user than the caller, and any of a regulator.

    Raises Forbidden.
    """
    if user_id is not None and user_id != caller(request).pk:
        raise Forbidden
    if is_regulator(caller(request)):
        raise Forbidden("A regulator reads and changes nothing.")


def must_be_staff(request: Request) -> None:
    """Refuse all but staff, regulators among them. Raises Forbidden."""
    if not caller(request).is_staff:
        raise Forbidden("This is for staff and regulators.")


def is_regulator(user: User) -> bool:
    """Tell whether a user is staff that sees everything and changes nothing.

    Asks the database about staff alone: an order of a trader pays nothing.
    """
    return user.is_staff and user.groups.filter(name=REGULATORS).exists()


def must_see(request: Request, user_id: int) -> None:
    """Refuse a caller who may not see a user's data. Raises Forbidden."""
    if visible_user_id(request) not in (None, user_id):
        raise Forbidden
