"""Writes a bundle into a file, which is there whole or not at all."""

import os
import tempfile
from pathlib import Path

from kpi.bundles.day import Day
from kpi.bundles.export import Bundle, Progress, export_day
from kpi.errors import BundleThere


def file_name(day: Day) -> str:
    return f"exchange-{day}.zip"


def write_day(
    *,
    day: Day,
    path: Path,
    form: str = "csv",
    replace: bool = False,
    progress: Progress = lambda name, rows: None,
) -> Bundle:
    """Write the bundle of a day into a file. Raises BundleThere, OSError, and as ``export_day``."""
    if path.exists() and not replace:
        raise BundleThere(f"{path} is there already; --force replaces it.")
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(handle, "wb") as file:
            bundle = export_day(day=day, to=file, form=form, progress=progress)
            file.flush()
            os.fsync(handle)
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise
    return bundle
