"""Runs the code of a notebook cell by cell, as a kernel does: ``python notebook.py FILE``."""

import json
import sys
from pathlib import Path
from typing import Any


def code_of(path: Path) -> list[str]:
    """Return the code cells of a notebook."""
    cells = json.loads(path.read_text())["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


if __name__ == "__main__":
    names: dict[str, Any] = {"__name__": "__main__"}
    for number, code in enumerate(code_of(Path(sys.argv[1])), start=1):
        exec(compile(code, f"cell {number}", "exec"), names)  # noqa: S102 - it is the example
    names["figure"].savefig(sys.argv[2])
