"""What a section of a report is, and what it is made of."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kpi.lab.answers.findings import Findings
from kpi.lab.inputs.specs import Study

Series = Mapping[str, Mapping[str, Any]]
Table = Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Section:
    """A plot under a title; ``says`` is what to see in it, ``alt`` for those who cannot.

    The first of ``rows`` is the table's head.
    """

    title: str
    says: str
    svg: str
    alt: str
    rows: Table

    @property
    def image(self) -> str:
        """The plot within the page, so that nothing is fetched."""
        return f"data:image/svg+xml;base64,{b64encode(self.svg.encode()).decode()}"


@dataclass(frozen=True, slots=True)
class Material:
    """What sections are made of; ``series`` are those of one seed by policy, of ``main``."""

    study: Study
    findings: Findings
    series: Series
