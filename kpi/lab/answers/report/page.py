"""Puts a report together: one HTML file that begins with the question and its answer."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.template.loader import render_to_string

from kpi.lab.answers.answer import answer_sentence
from kpi.lab.answers.compare import Comparison
from kpi.lab.answers.findings import Findings
from kpi.lab.answers.report import facts
from kpi.lab.answers.report.section import Material, Series
from kpi.lab.answers.report.sections import sections
from kpi.lab.inputs.specs import Study


def page(study: Study, comparison: Comparison, manifest: Mapping[str, Any], series: Series) -> str:
    """Return the report as HTML without a script and without a request to anywhere."""
    findings = Findings(comparison)
    return render_to_string(
        "lab/report.html",
        {
            "study": study,
            "answer": unbroken(answer_sentence(comparison)),
            "findings": findings,
            "key_figures": facts.key_figures(findings),
            "sections": sections(Material(study, findings, series)),
            "tails": facts.tails(findings),
            "policies": facts.policies(study),
            "resolutions": facts.resolutions(study),
            "assumptions": facts.assumptions(study),
            "every_metric": facts.every_metric(findings),
            "manifest": [("Fact", "Value"), *facts.manifest_rows(manifest)],
            "command": command(study),
        },
    )


def unbroken(text: str) -> str:
    """Keep a number and its word on one line."""
    return re.sub(r"(?<=[\dMn]) (?=M\b|bn\b|%|USDT)", "\N{NO-BREAK SPACE}", text)


def command(study: Study) -> str:
    """Return what computes the study again, with its files by their names."""
    tapes = (f"{symbol}={Path(file).name}" for symbol, file in study.overrides)
    return shlex.join(["python", "manage.py", "lab", "run", Path(study.file).name, *tapes])
