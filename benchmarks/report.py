"""Shows the figures as a table and keeps them as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.figures import Figure, shown


@dataclass(frozen=True, slots=True)
class PartResult:
    """The figures of one part and the seconds that it took."""

    name: str
    title: str
    seconds: float
    figures: Sequence[Figure]


@dataclass(frozen=True, slots=True)
class Run:
    """All that one run of the command found, where and when (ISO 8601, UTC)."""

    started_at: str
    quick: bool
    machine: dict[str, str]
    parts: Sequence[PartResult]

    @property
    def missed(self) -> list[Figure]:
        return [f for part in self.parts for f in part.figures if f.met is False]


def write_json(run: Run, path: Path) -> None:
    """Keep a run; the figures' goals are written with the word of whether they are met."""
    document = asdict(run)
    for part, result in zip(document["parts"], run.parts, strict=True):
        for figure, source in zip(part["figures"], result.figures, strict=True):
            figure["met"] = source.met
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n")


def as_text(part: PartResult) -> str:
    """Return the figures of a part as aligned lines."""
    width = max(len(figure.name) for figure in part.figures)
    lines = [f"{part.title} ({part.seconds:.0f} s)"]
    for figure in part.figures:
        line = f"  {figure.name:<{width}}  {shown(figure.value):>10} {figure.unit:<12}"
        lines.append(f"{line} {verdict(figure)}".rstrip())
    return "\n".join(lines)


def verdict(figure: Figure) -> str:
    """Return a figure's goal and whether it is met, empty without one."""
    if figure.goal is None:
        return ""
    return f"{figure.goal} {'met' if figure.met else 'MISSED'}"
