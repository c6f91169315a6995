"""XLSX files of an export: sheets of text without formats, written row by row.

They take the place of tablib's, which import-export loads wherever the console is.
"""

from io import BytesIO

from tablib import Dataset
from tablib.formats import registry

from market.kernel.console.figures import titled


class Sheet:
    """A format of tablib that keeps no cell in memory, and loads its writer when it writes.

    People read it: its head names the columns as the console does. Programs read the CSV file.
    """

    title = "xlsx"
    extensions = ("xlsx",)

    @classmethod
    def export_set(cls, dataset: Dataset) -> bytes:
        from openpyxl import Workbook

        book = Workbook(write_only=True)
        sheet = book.create_sheet("Export")
        sheet.append([titled(header) for header in dataset.headers])
        for row in dataset:
            sheet.append(row)
        buffer = BytesIO()
        book.save(buffer)
        return buffer.getvalue()


registry.register("xlsx", Sheet)
