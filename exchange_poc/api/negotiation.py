"""In which format the API answers: as ``Accept`` asks, never as a query parameter does."""

from typing import Any

from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import DefaultContentNegotiation


class AcceptNegotiation(DefaultContentNegotiation):
    """Reads ``Accept``; what can't be read there is nothing that the API could answer with."""

    def select_renderer(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().select_renderer(*args, **kwargs)
        except (ValueError, LookupError) as error:
            raise NotAcceptable from error
