"""Whose data a caller may see."""

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from rest_framework.request import Request

from accounts.models import User
from market.kernel.errors import Forbidden

#: The group of the regulators, made by migration.
REGULATORS = "regulator"


def caller(request: Request | HttpRequest) -> User:
    """Return the authenticated user of a request to the API or the console."""
    assert isinstance(request.user, User)
    return request.user


def visible_user_id(request: Request, asked: int | None = None) -> int | None:
    """Return whose data the caller sees: their own; of staff whom they ask for, or None (all).

    Raises Forbidden for who asks for another's.
    """
    user = caller(request)
    if user.is_staff:
        return asked
    must_be_owner(request, asked)
    return user.pk


def must_be_owner(request: Request, user_id: int | None) -> None:
    """Refuse a write that names another user than the caller. Raises Forbidden."""
    if user_id is not None and user_id != caller(request).pk:
        raise Forbidden


def must_be_staff(request: Request) -> None:
    """Refuse all but staff, regulators among them. Raises Forbidden."""
    if not caller(request).is_staff:
        raise Forbidden("This is for staff and regulators.")


def is_regulator(user: User) -> bool:
    """Tell whether a user is staff that sees everything and changes nothing.

    Asks the database about staff alone: an order of a trader pays nothing.
    """
    return user.is_staff and user.groups.filter(name=REGULATORS).exists()


def may_change(actor: User | AnonymousUser, user: User) -> bool:
    """Tell whether a member of staff may change a user: who works here is a superuser's affair.

    Staff could otherwise take a superuser's rights by setting their password.
    """
    return actor.is_superuser or not (user.is_staff or user.is_superuser)


def must_change(actor: User | None, user: User) -> None:
    """Refuse a change of a user that ``actor`` may not make. None is the exchange itself.

    Raises Forbidden.
    """
    if actor is not None and not may_change(actor, user):
        raise Forbidden("Only a superuser changes who works here.")


def must_post_transfers(actor: User | None) -> None:
    """Refuse staff who may not move money. None is the exchange itself. Raises Forbidden."""
    if actor is not None and not actor.has_perm("accounts.add_transfer"):
        raise Forbidden("Choosing an amount needs the right to add transfers.")


def must_see(request: Request, user_id: int, *, asked: int | None = None) -> None:
    """Refuse a caller who may not see a user's data, or asks for another's. Raises Forbidden."""
    if visible_user_id(request) not in (None, user_id) or asked not in (None, user_id):
        raise Forbidden
