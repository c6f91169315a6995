"""Study files: TOML read into a study, or refused in one line before anything is started."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final

from kpi.lab.errors import StudyError
from kpi.lab.inputs.canonical import cells, sha256, study_text
from kpi.lab.inputs.keys import Whole, is_line, shown
from kpi.lab.inputs.specs import CellPlan, FundSpec, ImpactSpec, LabPolicy, Study, TapeSpec, Variant
from kpi.lab.inputs.surroundings import Take, read_instruments, read_population_spec, read_tape_spec
from kpi.lab.inputs.sweeps import read_policies
from kpi.lab.inputs.tables import Table

__all__ = ["CellPlan", "LabPolicy", "Study", "StudyError", "cells", "read_study", "study_of"]

TOP: Final = (
    "name", "question", "baseline", "seeds", "tape", "population", "impact", "fund",
    "policy", "grid", "sweep", "variant", "instrument",
)  # fmt: skip
SEED: Final = Whole("A seed of populations.", high=2**63 - 1)
MOST_CELLS: Final = 100_000


@dataclass(frozen=True, slots=True)
class SeedsSpec:
    """Seeds in a row; twenty where a study names none."""

    first: Annotated[int, SEED] = 1
    count: Annotated[int, Whole("Number of seeds.", low=1, high=10_000)] = 20


def read_study(
    path: str | Path,
    tapes: Mapping[str, str | Path] | None = None,
    *,
    take: Take | None = None,
) -> Study:
    """Return the study of a file, with other files of candles for some symbols.

    ``take`` is asked for the accounts of the exchange where a study that begins with them has none
    yet. Raises StudyError.
    """
    try:
        source = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise StudyError(str(path), "", f"it cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise StudyError(str(path), "", "it is not in UTF-8.") from error
    overrides = {symbol: str(Path(file).absolute()) for symbol, file in (tapes or {}).items()}
    return study_of(source, file=str(Path(path).absolute()), overrides=overrides, take=take)


def study_of(
    source: str, *, file: str, overrides: Mapping[str, str], take: Take | None = None
) -> Study:
    """Return the study of a text, whose relative paths stand beside ``file``. Raises StudyError."""
    document = document_of(source, file)
    document.check_keys(TOP)
    tape = read_tape_spec(document, overrides)
    policies = read_policies(document)
    study = Study(
        name=text_of(document, "name", Path(file).stem),
        question=text_of(document, "question", ""),
        tape=tape,
        population=read_population_spec(document.table("population"), tape, take),
        impact=ImpactSpec(**document.table("impact").read_keys(ImpactSpec)),
        fund=FundSpec(**document.table("fund").read_keys(FundSpec)).opening,
        instruments=read_instruments(document, tape),
        policies=policies,
        baseline=read_baseline(document, policies),
        seeds=read_seeds(document),
        variants=read_variants(document, tape),
        source=source,
        file=file,
        overrides=tuple(sorted(overrides.items())),
    )
    check_size(document, study)
    canonical = study_text(study)
    return replace(study, canonical=canonical, digest=sha256(canonical))


def document_of(source: str, file: str) -> Table:
    """Return the tables of a text. Raises StudyError."""
    try:
        return Table(file, "", tomllib.loads(source, parse_float=Decimal))
    except ArithmeticError:
        why = "an exponent is too large"
    except RecursionError:
        why = "it is nested too deeply"
    except ValueError as error:  # what is no TOML, and whole numbers of thousands of digits
        why = str(error)
    raise StudyError(file, "", f"it is no TOML: {why}.")


def text_of(document: Table, name: str, default: str) -> str:
    """Return a text of the file. Raises StudyError."""
    value = document.values.get(name, default)
    if not isinstance(value, str):
        raise document.error(name, f"a text, not {shown(value)}.")
    if not all(map(is_line, value.splitlines() if name == "question" else [value])):
        raise document.error(name, f"a text without control characters, not {value!r}.")
    return value.strip() or default


def read_baseline(document: Table, policies: Sequence[LabPolicy]) -> str:
    """Return the policy that others are compared with, by default the first. Raises StudyError."""
    names = [policy.name for policy in policies]
    baseline = text_of(document, "baseline", names[0])
    if baseline not in names:
        raise document.error("baseline", f"one of {', '.join(names)}, not {baseline!r}.")
    return baseline


def read_seeds(document: Table) -> tuple[int, ...]:
    """Return the seeds: those listed, or so many from the first on. Raises StudyError."""
    value = document.values.get("seeds", {})
    if isinstance(value, Mapping):
        counted = SeedsSpec(**Table(document.file, "seeds", value).read_keys(SeedsSpec))
        if counted.first + counted.count - 1 > SEED.high:
            raise document.error("seeds", f"the last one is {SEED.high} at most.")
        return tuple(range(counted.first, counted.first + counted.count))
    if not isinstance(value, list) or not value:
        raise document.error("seeds", f"a list such as [1, 2, 3], not {shown(value)}.")
    listed = tuple(Table(document.file, "", {"seeds": one}).read("seeds", SEED) for one in value)
    if len(set(listed)) < len(listed):
        raise document.error("seeds", "each once.")
    return listed


def read_variants(document: Table, tape: TapeSpec) -> tuple[Variant, ...]:
    """Return how the tape is read: as [tape] says, and as each [[variant]] does besides."""
    as_taped = {"path": tape.path, "sub_steps": tape.sub_steps, "aggregate": tape.aggregate}
    variants = [variant_of(as_taped)]
    for table in document.tables("variant"):
        variants.append(variant_of(as_taped | table.read_keys(Variant)))
        if variants[-1].name in {one.name for one in variants[:-1]}:
            raise table.error("name", f"another variant is called {variants[-1].name!r} too.")
    return tuple(variants)


def variant_of(values: Mapping[str, Any]) -> Variant:
    """Return a variant; one without a name is called by what it does."""
    bars = "" if values["aggregate"] == 1 else f", {values['aggregate']} bars in one"
    points = "" if values["sub_steps"] == 1 else f", {values['sub_steps']} points a segment"
    return Variant(**{"name": f"{values['path']}{points}{bars}"} | dict(values))


def check_size(document: Table, study: Study) -> None:
    """Raise StudyError where a study has more cells than anybody waits for."""
    count = len(study.policies) * len(study.seeds) * len(study.variants)
    if count > MOST_CELLS:
        raise document.error("", f"{count:,} cells; at most {MOST_CELLS:,}.")
