"""The databases of earlier releases, as ``dump.py`` wrote them at each."""

import gzip
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
SUFFIX: Final = ".sql.gz"


def version(dump: Path) -> str:
    return dump.name.removesuffix(SUFFIX)


def order(dump: Path) -> list[int]:
    """Tell 0.10.0 to be after 0.9.0."""
    return [int(number) for number in version(dump).split(".")]


#: The oldest first.
DUMPS: Final = sorted(FOLDER.glob(f"*{SUFFIX}"), key=order)


def statements(dump: Path) -> str:
    """Return what makes an empty database that of the release."""
    return gzip.decompress(dump.read_bytes()).decode()
