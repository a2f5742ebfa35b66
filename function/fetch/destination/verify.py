"""What a file must hash to, and the threads' work of finding out while it is being written."""

import hashlib
import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from function.errors import ChecksumMismatch
from function.fetch.destination.partial_file import PartialFile
from function.source import ObjectInfo
from function.source.checksum import ALGORITHMS, Algorithm

BUFFER = 1 << 20  # bytes read and hashed at a time
LOOK = 0.1  # seconds between looks at whether to stop


def algorithm_of(info: ObjectInfo) -> Algorithm:
    """What blocks are checked with: what the store vouches with for the whole, or the cheapest."""
    return next((a for name, a in ALGORITHMS.items() if name in info.checksums), ALGORITHMS["crc32c"])


def vouched(info: ObjectInfo) -> str | None:
    """What the store vouches for: ``algorithm:hex`` of the object, the one that is checked when it is fetched."""
    name = algorithm_of(info).name
    name = name if name in info.checksums else "sha256"
    return f"{name}:{info.checksums[name]}" if name in info.checksums else None


def compare(info: ObjectInfo, name: str, found: str, expected: str, *, given: bool = False) -> None:
    """Raise ChecksumMismatch unless equal. ``given``: by the settings, so that fetching again cannot help."""
    if found == expected:
        return
    cause = (
        "Correct MODEL_SHA256, or store the right file."
        if given
        else "The object or the way to it is damaged; store it again if this stays."
    )
    error = ChecksumMismatch(
        f"{info.uri}: {name} of the bytes is {found}, expected is {expected}. {cause}",
        uri=info.uri,
        found=found,
        expected=expected,
    )
    error.permanent = given
    raise error


def sha256_of(paths: Iterable[Path], check: Callable[[], None]) -> str:
    """SHA-256 of files one after the other, in hexadecimal. ``check`` may raise to stop."""
    digest, buffer = hashlib.sha256(), memoryview(bytearray(BUFFER))
    for path in paths:
        with path.open("rb", buffering=0) as file:
            while count := file.readinto(buffer):
                check()
                digest.update(buffer[:count])
    return digest.hexdigest()


def digest_of(descriptor: int, name: str, check: Callable[[], None]) -> str | None:
    """``name:hex`` of an open file, read from its start; None of an unknown algorithm. ``check`` may raise to stop."""
    if name not in ALGORITHMS and name != "sha256":
        return None
    digest, buffer, position = hashlib.sha256(), memoryview(bytearray(BUFFER)), 0
    update, value = ALGORITHMS[name].load() if name in ALGORITHMS else None, 0
    while count := os.preadv(descriptor, [buffer], position):
        check()
        position += count
        if update is None:
            digest.update(buffer[:count])
        else:
            value = update(value, buffer[:count])
    return f"{name}:{ALGORITHMS[name].hex(value) if update else digest.hexdigest()}"


class FileHasher(threading.Thread):
    """Hashes a partial file in order while it fills: from the page cache, up to its first gap."""

    def __init__(self, partial: PartialFile) -> None:
        super().__init__(name="sha256", daemon=True)
        self._partial = partial
        self._digest = hashlib.sha256()
        self._ended = False

    def run(self) -> None:
        buffer = memoryview(bytearray(BUFFER))
        for index in range(self._partial.count):
            while not self._ended and not self._partial.await_block(index, LOOK):
                pass
            start, end = self._partial.extent(index)
            while start < end and not self._ended:
                count = self._partial.read(start, buffer[: end - start])
                self._digest.update(buffer[:count])
                start += count

    def hexdigest(self, check: Callable[[], None]) -> str:
        """The whole file's, once every block is there. ``check`` may raise to stop."""
        while self.is_alive():
            check()
            self.join(LOOK)
        return self._digest.hexdigest()

    def close(self) -> None:
        """Hash no further."""
        self._ended = True
        if self.is_alive():
            self.join()
