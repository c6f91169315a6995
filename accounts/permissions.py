"""What a token may do at all, before any call looks at what is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rest_framework.permissions import SAFE_METHODS, BasePermission

from accounts.access import caller, is_regulator
from accounts.errors import StaffOnly
from market.kernel.errors import Forbidden
from market.kernel.rows import first_row

if TYPE_CHECKING:  # REST framework imports this module while its views are being defined.
    from rest_framework.request import Request
    from rest_framework.views import APIView


class RegulatorsRead(BasePermission):
    """Lets a regulator's token read and refuses it everything else; stands after authentication."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if request.method not in SAFE_METHODS and is_regulator(caller(request)):
            raise Forbidden("A regulator reads and changes nothing.")
        return True


class StaffWhereSaid(BasePermission):
    """Refuses all but staff while the account policy says so. Raises StaffOnly."""

    #: The statement that tells whether it says so.
    closed: ClassVar[str]

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not caller(request).is_staff and first_row(self.closed, []) == (True,):
            raise StaffOnly
        return True


class KpisOpen(StaffWhereSaid):
    closed = "SELECT staff_only_kpis FROM accounts_accountpolicy"


class TicksOpen(StaffWhereSaid):
    closed = "SELECT staff_only_ticks FROM accounts_accountpolicy"
