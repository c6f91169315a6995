"""What a study and a cell are, as text: the same asked for in other words has the same digest."""

import hashlib
import json
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from kpi.lab.errors import StudyError
from kpi.lab.inputs.keys import keys_of
from kpi.lab.inputs.sources import rules_digest
from kpi.lab.inputs.specs import CellPlan, LabPolicy, Study, TapeSpec, Variant
from market.kernel.amounts import plain


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def study_text(study: Study) -> str:
    """Return all that a study asks for, defaults too, in TOML; files by what they hold."""
    head = {
        "name": study.name,
        "question": study.question,
        "baseline": study.baseline,
        "seeds": study.seeds,
    }
    return "\n".join(
        [
            *(f"{key} = {as_toml(value)}" for key, value in sorted(head.items())),
            *world_lines(study),
            *(line for policy in study.policies for line in policy_lines(policy, named=True)),
            *(line for one in study.variants for line in variant_lines(one, named=True)),
            "",
        ]
    )


def cells(study: Study) -> tuple[CellPlan, ...]:
    """Return the cells of a study: each policy, seed and variant."""
    world = "\n".join([f"rules = {rules_digest()}", *world_lines(study)])
    return tuple(
        CellPlan(policy, seed, variant, sha256(cell_text(study, world, policy, seed, variant)))
        for variant in study.variants
        for seed in study.seeds
        for policy in study.policies
    )


def cell_text(study: Study, world: str, policy: LabPolicy, seed: int, variant: Variant) -> str:
    """Return all that determines a cell; not how its policy is called."""
    lines = [world, f"seed = {seed}", *variant_lines(variant), *policy_lines(policy)]
    if study.impact.mode == "differential":
        lines += ["# beside", *policy_lines(study.policy(study.baseline))]
    return "\n".join(lines)


def world_lines(study: Study) -> Iterator[str]:
    """Yield what all cells of a study have in common."""
    tape = study.tape
    yield from ("[tape]", f'sha256 = "{tape.sha256}"')
    yield from (f"{key} = {as_toml(getattr(tape, key))}" for key in ("start", "end"))
    yield from ("[population]", f'sha256 = "{study.population.sha256}"')
    yield from spec_lines(study.population, without="file")
    yield from ("[impact]", *spec_lines(study.impact))
    yield from ("[fund]", f"opening = {as_toml(study.fund)}")
    for instrument in study.instruments:
        yield from ("[[instrument]]", *spec_lines(instrument))


def policy_lines(policy: LabPolicy, *, named: bool = False) -> Iterator[str]:
    yield "[[policy]]"
    yield from spec_lines(policy, without="" if named else "name")
    yield from policy.policy.canonical.splitlines()


def variant_lines(variant: Variant, *, named: bool = False) -> Iterator[str]:
    yield from ("[[variant]]", *spec_lines(variant, without="" if named else "name"))


def spec_lines(spec: Any, *, without: str = "") -> Iterator[str]:
    """Yield a line for each key of a spec, by name."""
    for key in sorted(keys_of(spec)):
        if key != without:
            yield f"{key} = {as_toml(getattr(spec, key))}"


def tape_digest(tape: TapeSpec) -> str:
    """Return what names the content of a tape: the SHA-256 of its files, or the crash's keys.

    Raises StudyError where a file cannot be read.
    """
    if tape.kind == "crash":
        return sha256("\n".join(["crash", *spec_lines(tape.crash)]))
    return sha256("\n".join(f"{symbol} {file_digest(file)}" for symbol, file in tape.files))


def file_digest(file: str) -> str:
    """Return the SHA-256 of a file. Raises StudyError."""
    try:
        return hashlib.sha256(Path(file).read_bytes()).hexdigest()
    except (OSError, ValueError) as error:  # the latter for a name that no file has
        why = getattr(error, "strerror", None) or error
        raise StudyError(
            file, "", f"it cannot be read: {why}. Name another behind the study."
        ) from error


def as_toml(value: Any) -> str:
    """Write a value so that the same one has the same text."""
    if value is None or isinstance(value, str):
        return json.dumps(value or "", ensure_ascii=False)
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple) and value and isinstance(value[0], tuple):
        return f"{{ {', '.join(f'{key} = {as_toml(one)}' for key, one in value)} }}"
    if isinstance(value, tuple):
        return f"[{', '.join(map(as_toml, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)
