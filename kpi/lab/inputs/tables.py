"""Tables of a study file: typed reading, and errors that name file, table and key."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kpi.lab.errors import StudyError
from kpi.lab.inputs.keys import Key, NotAllowed, keys_of, shown


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a file; ``title`` is how the file calls it, such as ``[tape]``, '' for the top."""

    file: str
    title: str
    values: Mapping[str, Any]

    def error(self, key: str, message: str) -> StudyError:
        return StudyError(self.file, f"{self.title} {key}".strip(), message)

    def check_keys(self, allowed: Collection[str]) -> None:
        """Raise StudyError at the first key that is not among those allowed."""
        for key in self.values:
            if key not in allowed:
                raise self.error(key, f"unknown; allowed are {', '.join(sorted(allowed))}.")

    def read(self, name: str, key: Key) -> Any:
        """Return the value of a key that is there. Raises StudyError."""
        try:
            return key.read(self.values[name])
        except NotAllowed as refused:
            raise self.error(name, str(refused)) from None

    def read_keys(self, spec: type, *, besides: Collection[str] = ()) -> dict[str, Any]:
        """Return what stands under the keys of a spec, and nothing for those left out.

        Raises StudyError, also at a key that is neither the spec's nor named by ``besides``.
        """
        keys = keys_of(spec)
        self.check_keys({*keys, *besides})
        return {name: self.read(name, key) for name, key in keys.items() if name in self.values}

    def needed(self, name: str, what: str) -> Any:
        """Return the value of a key that must be there."""
        if name not in self.values:
            raise self.error(name, f"missing; it is {what}.")
        return self.values[name]

    def table(self, name: str) -> "Table":
        """Return a table of this one, empty where it is left out."""
        value = self.values.get(name, {})
        if not isinstance(value, Mapping):
            raise self.error(name, f"a table, not {shown(value)}.")
        return Table(self.file, f"[{self.path_of(name)}]", value)

    def tables(self, name: str) -> list["Table"]:
        """Return the tables of an array of tables, none where it is left out."""
        value = self.values.get(name, [])
        if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
            raise self.error(name, f"tables, each under [[{name}]], not {shown(value)}.")
        return [
            Table(self.file, f"[[{name}]] {number}", one) for number, one in enumerate(value, 1)
        ]

    def path_of(self, name: str) -> str:
        return f"{self.title[1:-1]}.{name}" if self.title else name

    def beside(self, file: str) -> str:
        """Return the path of a file that this one names: relative ones stand beside it."""
        return str(Path(self.file).parent / file)
