"""Which version of the exchange this is; ``pyproject.toml`` alone says it."""

import tomllib
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).resolve().parents[1] / "pyproject.toml"
VERSION: Final[str] = tomllib.loads(PROJECT.read_text())["project"]["version"]
