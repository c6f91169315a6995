"""How the staff console (django-unfold) looks and what its sidebar holds."""

from typing import Any

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Exchange POC",
    "SITE_HEADER": "Exchange POC",
    "SITE_SUBHEADER": "Research simulation",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
}
