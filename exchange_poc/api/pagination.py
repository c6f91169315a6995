"""Lists are cursor-paginated, newest first, so that new rows never shift a page."""

from rest_framework.pagination import CursorPagination


class NewestFirstPagination(CursorPagination):
    """Pages of ``{"next", "previous", "results"}``; ``?page_size=`` asks for up to 500 rows."""

    ordering = "-id"
    page_size_query_param = "page_size"
    max_page_size = 500
