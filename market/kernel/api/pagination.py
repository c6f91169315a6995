"""Lists are cursor-paginated, newest first, so that new rows never shift a page.

All have one shape, also those that are never long.
"""

import re
from typing import Any, Final

from rest_framework.exceptions import NotFound
from rest_framework.pagination import BasePagination, Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings

from market.kernel.endless import KeysFirst
from market.kernel.errors import InvalidCursor

#: Where a page begins: the id of a row, as far as the column goes.
POSITION: Final = re.compile(r"[0-9]{1,19}", re.ASCII)
LARGEST_ID: Final = 2**63 - 1


class NewestFirstPagination(CursorPagination):
    """Pages of ``{"next", "previous", "results"}``, as long as the view's query asks."""

    ordering = "-id"

    def paginate_queryset(
        self, queryset: Any, request: Request, view: Any = None
    ) -> list[Any] | None:
        self.page_size = view.query.get("page_size", api_settings.PAGE_SIZE)
        page: list[Any] | None = super().paginate_queryset(
            queryset if isinstance(queryset, KeysFirst) else KeysFirst(queryset, rows=view.rows),  # type: ignore[arg-type]
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

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """Return none: PageQuery has them."""
        return []


class OnePage(BasePagination):
    """The same shape around all rows of a list."""

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"next": None, "previous": None, "results": data})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        nothing = {"type": "string", "nullable": True, "example": None}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": nothing, "previous": nothing, "results": schema},
        }


def is_position(text: Any) -> bool:
    """Tell whether a page may begin there; None stands for the first one."""
    return text is None or (bool(POSITION.fullmatch(text)) and int(text) <= LARGEST_ID)
