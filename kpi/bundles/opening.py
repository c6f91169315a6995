"""Opens an archive that anybody may have made: nothing is unpacked, and nothing is read unbounded.

What does not look like a bundle is refused before its first file is read: a path, a file twice, a
size that no table has, a file that unfolds to far more than it takes.
"""

import hashlib
import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from kpi.errors import BundleRefused

#: What a bundle says of itself and its files.
MANIFEST: Final = "manifest.json"
#: Files of a bundle stand beside each other and have plain names.
NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,60}\.(csv|parquet|jsonl|json)")
SEAL: Final = re.compile(rb"[0-9a-f]{64}")
MOST_FILES: Final = 200
MOST_BYTES: Final = 200_000_000_000
#: A text of tables packs to a twentieth or so; above this it is made of nothing.
MOST_UNFOLDED: Final = 200
#: Below it, unfolding does no harm.
SMALL: Final = 1_000_000
#: Characters of a line, and bytes of a document that is read whole.
LONGEST_LINE: Final = 1_000_000
LONGEST_DOCUMENT: Final = 4_000_000
PART: Final = 1 << 20
#: What reading a damaged file of an archive may end with.
DAMAGED: Final = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    NotImplementedError,
    RuntimeError,
)


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive whose files may be read one by one. Raises BundleRefused."""
    try:
        archive = zipfile.ZipFile(path)
    except (*DAMAGED, ValueError) as error:
        raise BundleRefused(f"{path.name} is no zip archive: {error}.") from error
    with archive:
        members = archive.infolist()
        if len(members) > MOST_FILES:
            raise BundleRefused(f"{path.name} has {len(members)} files; no bundle has so many.")
        for member in members:
            check_member(member)
        check_sizes(members, path.stat().st_size)
        yield archive


def check_member(member: zipfile.ZipInfo) -> None:
    """Refuse a file that no bundle has, by what the archive says of it. Raises BundleRefused."""
    name = shown(member.filename)
    if not NAME.fullmatch(member.filename) or member.orig_filename != member.filename:
        raise BundleRefused(f"{name} is no name of a file in a bundle: it may lead elsewhere.")
    if member.flag_bits & 0x1 or member.compress_type != zipfile.ZIP_DEFLATED:
        raise BundleRefused(f"{name} is packed in another way than a bundle's files.")
    unfolds = member.file_size > MOST_UNFOLDED * max(member.compress_size, 1)
    if member.file_size > SMALL and unfolds:
        raise BundleRefused(
            f"{name} unfolds {member.compress_size:,} bytes to {member.file_size:,}: a zip bomb."
        )


def check_sizes(members: list[zipfile.ZipInfo], size: int) -> None:
    """Refuse files that share their bytes, or are too many in all. Raises BundleRefused."""
    if len({member.filename for member in members}) < len(members):
        raise BundleRefused("The archive has a file twice.")
    if sum(member.compress_size for member in members) > size:
        raise BundleRefused("The archive's files take more bytes than it has: a zip bomb.")
    if sum(member.file_size for member in members) > MOST_BYTES:
        raise BundleRefused(f"The archive unfolds to more than {MOST_BYTES:,} bytes.")


def shown(name: str) -> str:
    """Return a name as a terminal may show it."""
    return repr(name[:80])


def seal_of(path: Path) -> tuple[str, bool]:
    """Return an archive's seal, and whether it is that of the bytes before it."""
    digest, left = hashlib.sha256(), path.stat().st_size - 64
    with path.open("rb") as file:
        while left > 0 and (part := file.read(min(PART, left))):
            digest.update(part)
            left -= len(part)
        seal = file.read()
    is_seal = SEAL.fullmatch(seal) is not None
    return seal.decode("ascii", "replace"), is_seal and seal.decode() == digest.hexdigest()


class Measured(io.RawIOBase):
    """Reads a file and keeps its length and its hash; never more than the archive told of."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self.file = file
        self.size = 0
        self.digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.file.read(len(buffer))
        buffer[: len(data)] = data
        self.size += len(data)
        self.digest.update(data)
        return len(data)

    def exhaust(self) -> None:
        """Read what nobody has read yet."""
        while self.read(PART):
            pass


def lines_of(file: Measured) -> Iterator[str]:
    """Yield the lines of a file of UTF-8, none of which is endless. Raises ValueError."""
    text = io.TextIOWrapper(io.BufferedReader(file, PART), encoding="utf-8", newline="")
    while line := text.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise ValueError(f"a line is longer than {LONGEST_LINE:,} characters")
        yield line


def document(archive: zipfile.ZipFile, name: str) -> Mapping[str, Any]:
    """Return a JSON object of the archive. Raises BundleRefused."""
    try:
        with archive.open(name) as file:
            content = file.read(LONGEST_DOCUMENT + 1)
        if len(content) > LONGEST_DOCUMENT:
            raise ValueError("it is too long")
        values = json.loads(content)
    except KeyError:
        raise BundleRefused(f"The archive has no {name}: it is no bundle.") from None
    except (*DAMAGED, ValueError, RecursionError) as error:
        raise BundleRefused(f"{name} cannot be read: {error}.") from error
    if not isinstance(values, dict):
        raise BundleRefused(f"{name} is no JSON object.")
    return values
