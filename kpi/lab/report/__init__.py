"""The report of a study: its answer, plots with their numbers, assumptions, how to repeat it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kpi.lab.compare import Comparison
from kpi.lab.errors import LabNotInstalled
from kpi.lab.specs import Study


def report(
    study: Study,
    comparison: Comparison,
    manifest: Mapping[str, Any],
    series: Mapping[str, Mapping[str, Any]],
    out: Path,
) -> Path:
    """Write report.html and manifest.json into a directory; return the report's path.

    ``series`` are those of the study's first seed and first variant, by policy. Raises
    LabNotInstalled.
    """
    try:
        from kpi.lab.report.page import page
    except ImportError as error:
        raise LabNotInstalled from error
    text = page(study, comparison, manifest, series)
    out.mkdir(parents=True, exist_ok=True)
    facts = json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False)
    (out / "manifest.json").write_text(f"{facts}\n", encoding="utf-8")
    path = out / "report.html"
    path.write_text(text, encoding="utf-8")
    return path
