"""Exports of the console's lists as CSV and XLSX: what the list shows, under its filters.

Every cell is text: amounts to the last digit, times in ISO 8601, nothing a spreadsheet would run.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

# Before import-export, which loads every format that tablib knows.
import market.kernel.console.sheets  # noqa: F401

# isort: split
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import BadRequest
from django.db.models import Field as ModelField
from django.db.models import QuerySet
from django.http import HttpRequest
from import_export.admin import ExportMixin
from import_export.fields import Field
from import_export.formats.base_formats import CSV, XLSX
from import_export.resources import ModelResource
from import_export.widgets import Widget
from unfold.contrib.import_export.forms import ExportForm

from market.kernel.console.actions import note_on_list
from market.kernel.snapshot import consistent_read

#: An export is put together in memory; this many rows take some seconds.
MOST_ROWS: Final = 10_000
#: What no sheet can hold: XML has no such characters.
UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
#: Text that begins with one of these is a formula to some spreadsheet.
FORMULA_SIGNS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def harmless(text: str) -> str:
    """Return text that no spreadsheet takes for a formula or cannot hold.

    A formula gets an apostrophe before it (OWASP, "CSV Injection").
    """
    shown = UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)
    return f"'{shown}" if shown.startswith(FORMULA_SIGNS) else shown


class ExactWidget(Widget):
    """Writes a value as text that loses nothing."""

    def __init__(self, **_: Any) -> None:
        """Take what import-export tells a widget about imports, of which there are none."""
        super().__init__()

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        match value:
            case None:
                return ""
            case bool():
                return str(value).lower()
            case Decimal():
                return f"{value:f}"
            case datetime():
                return value.astimezone(UTC).isoformat(timespec="microseconds")
            case int() | float():
                return str(value)
            case _:
                return harmless(str(value))


class RecordResource(ModelResource):
    """The columns of an export; ``Meta`` names model and fields."""

    @classmethod
    def widget_from_django_field(
        cls, f: ModelField, default: type[Widget] = Widget
    ) -> type[Widget]:
        return ExactWidget


def text_field(attribute: str) -> Field:
    """Return a column of what ``attribute`` leads to, empty where it leads nowhere."""
    return Field(attribute=attribute, widget=ExactWidget(), readonly=True)


@contextmanager
def readable_filters() -> Iterator[None]:
    """Refuse an export under filters that the list does not have. Raises BadRequest."""
    try:
        yield
    except IncorrectLookupParameters as error:
        raise BadRequest("These are no filters of the list.") from error


class ExportedAdmin(ExportMixin):
    """A list that can be exported by everybody who may see it; the staff log notes who did."""

    export_form_class = ExportForm

    def get_export_formats(self) -> list[Any]:
        return [CSV, XLSX]

    def get_export_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        with readable_filters():
            return super().get_export_queryset(request)

    def get_export_data(
        self, file_format: Any, request: HttpRequest, queryset: QuerySet[Any], **kwargs: Any
    ) -> Any:
        """Refuse too many rows by a message; import-export shows a ValueError as one."""
        if queryset[MOST_ROWS : MOST_ROWS + 1].exists():
            raise ValueError(f"More than {MOST_ROWS:,} rows: narrow the list by its filters first.")
        # import-export reads by a cursor, which a pooler loses between two transactions.
        with consistent_read():
            exported = super().get_export_data(file_format, request, queryset, **kwargs)
        note_on_list(self, request, f"Exported as {file_format.get_title()}.")
        return exported
