"""Writes the archive: the same files make the same bytes, and the last 64 of them are a seal.

The seal, which zip keeps as the archive's comment, is the SHA-256 of all bytes before it. So
whatever is changed in an archive is noticed, be it outside its files, and whoever noted the seal
elsewhere can tell that it is the same archive.
"""

import hashlib
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO, Final, Self, cast

from kpi.errors import BundleTooLarge

SEAL_LENGTH: Final = 64
#: The first moment that zip knows: when a file was written says nothing.
NO_TIME: Final = (1980, 1, 1, 0, 0, 0)
UNIX: Final = 3
READABLE: Final = 0o100644 << 16


@dataclass(frozen=True, slots=True)
class Written:
    """A file of the archive as it is told in the manifest."""

    name: str
    size: int
    sha256: str


class SealedStream:
    """Passes bytes on, but keeps the last ones back: the seal goes in their place.

    It cannot seek, so that an archive is written from its beginning to its end. Raises
    BundleTooLarge.
    """

    def __init__(self, target: BinaryIO, *, most_bytes: int | None) -> None:
        self.target = target
        self.most_bytes = most_bytes
        self.size = 0
        self.kept = b""
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.size += len(data)
        if self.most_bytes is not None and self.size > self.most_bytes:
            raise BundleTooLarge(self.most_bytes)
        pending = self.kept + bytes(data)
        self.kept = pending[-SEAL_LENGTH:]
        self._pass_on(pending[:-SEAL_LENGTH])
        return len(data)

    def flush(self) -> None:
        """Everything is flushed with the seal."""

    def seal(self) -> str:
        """Write the seal over the last bytes and return it."""
        seal = self.digest.hexdigest()
        self.target.write(seal.encode())
        self.target.flush()
        return seal

    def _pass_on(self, data: bytes) -> None:
        self.digest.update(data)
        self.target.write(data)


class Archive:
    """A zip archive in the making; closed, it tells its ``seal``."""

    def __init__(self, target: BinaryIO, *, most_bytes: int | None = None) -> None:
        self._stream = SealedStream(target, most_bytes=most_bytes)
        self._zip = zipfile.ZipFile(cast(BinaryIO, self._stream), "w")
        self.seal = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """Close the archive; one that something went wrong with is left without its end."""
        if kind is None:
            self._zip.comment = b"0" * SEAL_LENGTH
            self._zip.close()
            self.seal = self._stream.seal()
        else:
            self._zip.fp = None  # else it would be closed when it is collected

    def add(self, name: str, parts: Iterable[bytes]) -> Written:
        """Write a file of some parts."""
        info = zipfile.ZipInfo(name, NO_TIME)
        info.compress_type = zipfile.ZIP_DEFLATED
        info.create_system, info.external_attr = UNIX, READABLE
        size, digest = 0, hashlib.sha256()
        with self._zip.open(info, "w", force_zip64=True) as file:
            for part in parts:
                file.write(part)
                size += len(part)
                digest.update(part)
        return Written(name, size, digest.hexdigest())
