"""Whose data a caller may see."""

from rest_framework.request import Request

from accounts.models import User
from market.errors import Forbidden


def caller(request: Request) -> User:
    """Return the authenticated user of a request."""
    assert isinstance(request.user, User)
    return request.user


def visible_user_id(request: Request) -> int | None:
    """Return the user whose data the caller may see: their own, or None (all) for staff."""
    user = caller(request)
    return None if user.is_staff else user.pk


def must_be_owner(request: Request, user_id: int | None) -> None:
    """Refuse a call that names another user than the caller. Raises Forbidden."""
    if user_id is not None and user_id != caller(request).pk:
        raise Forbidden


def must_see(request: Request, user_id: int) -> None:
    """Refuse a caller who may not see a user's data. Raises Forbidden."""
    if visible_user_id(request) not in (None, user_id):
        raise Forbidden
