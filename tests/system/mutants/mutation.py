"""What cosmic-ray would change in a module, one token at a time."""

import difflib
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from cosmic_ray.commands import init
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import MutationSpec

#: Signs that no amount knows: every test would notice, and ``|`` stands in annotations alone.
NONSENSE: Final = re.compile("BitOr|BitAnd|BitXor|LShift|RShift|Invert")
#: The star before keyword arguments, which is no multiplication, and what would take its place.
STAR: Final = re.compile(r"(^|, |\()(\*\*|//|[-+*/%]),")


@dataclass(frozen=True)
class Mutant:
    """A change of one line; known by what it says, so that it is the same wherever it moves."""

    module: str
    within: str
    was: str
    becomes: str
    spec: MutationSpec

    @property
    def rank(self) -> str:
        """A place in a fixed, but arbitrary order, which depends on nothing else in the code."""
        text = "\n".join((self.within, self.was, self.becomes))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def makes_sense(self) -> bool:
        """Tell whether it is more than an exchange of the star before keyword arguments."""
        return STAR.sub("", self.was) != STAR.sub("", self.becomes)

    def is_named_by(self, entry: dict[str, Any]) -> bool:
        """Tell whether an entry of the kept list, which may leave out parts, names this mutant."""
        return all(getattr(self, key) == entry[key] for key in entry.keys() - {"why"})

    def __str__(self) -> str:
        return f"{self.module}, {self.within}: {self.was}  →  {self.becomes or '(nothing)'}"


def mutants_of(module: str) -> list[Mutant]:
    """Return the mutants of a module, each change of text once."""
    code = Path(module).read_text()
    changed = {mutated_by(spec, code): spec for spec in specs_of(module)}
    mutants = (mutant_of(module, code, text, spec) for text, spec in changed.items())
    return [mutant for mutant in mutants if mutant.makes_sense]


def specs_of(module: str) -> Iterator[MutationSpec]:
    with TemporaryDirectory() as at, use_db(f"{at}/work.sqlite", WorkDB.Mode.create) as work:
        init([Path(module)], work, {})
        for item in work.work_items:
            yield from (one for one in item.mutations if not NONSENSE.search(one.operator_name))


def mutated_by(spec: MutationSpec, code: str) -> str:
    operator = get_operator(spec.operator_name)(**spec.operator_args)
    text = mutate_code(code, operator, spec.occurrence)
    assert text is not None
    return str(text)


def mutant_of(module: str, code: str, text: str, spec: MutationSpec) -> Mutant:
    lines = list(difflib.unified_diff(code.splitlines(), text.splitlines(), n=0, lineterm=""))[3:]
    return Mutant(
        module=module,
        within=spec.definition_name or "",
        was=joined(line for line in lines if line.startswith("-")),
        becomes=joined(line for line in lines if line.startswith("+")),
        spec=spec,
    )


def joined(lines: Iterable[str]) -> str:
    return " ".join(" ".join(line[1:].split()) for line in lines).strip()


def sample(mutants: Sequence[Mutant], size: int) -> list[Mutant]:
    """Return some mutants, the same ones every time; new code moves few in or out."""
    return sorted(mutants, key=lambda mutant: mutant.rank)[:size]
