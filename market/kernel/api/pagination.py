"""Lists are cursor-paginated, newest first, so that new rows never shift a page."""

import re
from typing import Any, Final

from rest_framework.exceptions import NotFound
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request

from market.kernel.endless import KeysFirst
from market.kernel.errors import InvalidCursor

#: Where a page begins: the id of a row, as far as the column goes.
POSITION: Final = re.compile(r"[0-9]{1,19}", re.ASCII)
LARGEST_ID: Final = 2**63 - 1


class NewestFirstPagination(CursorPagination):
    """Pages of ``{"next", "previous", "results"}``; ``?page_size=`` asks for up to 500 rows."""

    ordering = "-id"
    page_size_query_param = "page_size"
    max_page_size = 500

    def paginate_queryset(
        self, queryset: Any, request: Request, view: Any = None
    ) -> list[Any] | None:
        page: list[Any] | None = super().paginate_queryset(
            KeysFirst(queryset),  # type: ignore[arg-type]
            request,
            view,
        )
        return page

    def decode_cursor(self, request: Request) -> Cursor | None:
        """Return where the page begins. Raises InvalidCursor, for the cursor is a client's word."""
        try:
            cursor: Cursor | None = super().decode_cursor(request)
        except NotFound as error:
            raise InvalidCursor from error
        if cursor is not None and not is_position(cursor.position):
            raise InvalidCursor
        return cursor


def is_position(text: Any) -> bool:
    """Tell whether a page may begin there; None stands for the first one."""
    return text is None or (bool(POSITION.fullmatch(text)) and int(text) <= LARGEST_ID)
