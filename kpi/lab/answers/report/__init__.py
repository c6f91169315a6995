"""The report of a study: its answer, plots with their numbers, assumptions, how to repeat it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kpi.lab.answers.compare import Comparison
from kpi.lab.answers.export import Results, export
from kpi.lab.extra import needs_the_extra
from kpi.lab.inputs.specs import Study


def report(
    study: Study,
    results: Results,
    comparison: Comparison,
    manifest: Mapping[str, Any],
    out: Path,
    *,
    series: Mapping[str, Mapping[str, Any]],
) -> list[Path]:
    """Write report.html into a directory, and manifest and tables beside it; return their paths.

    ``series`` are those of the study's first seed and first variant, by policy. Raises
    LabNotInstalled.
    """
    with needs_the_extra():
        from kpi.lab.answers.report.page import page
    text = page(study, comparison, manifest, series)
    out.mkdir(parents=True, exist_ok=True)
    path, facts = out / "report.html", out / "manifest.json"
    path.write_text(text, encoding="utf-8")
    written = json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False)
    facts.write_text(f"{written}\n", encoding="utf-8")
    return [path, facts, *export(results, comparison, out)]
