"""A model's files in a folder of the cache: they outlast the process, and what is unfinished is gone on with."""

import hashlib
import logging
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from function.errors import CacheUnusable
from function.fetch.destination import cache_dir
from function.fetch.destination.base import name_of
from function.fetch.destination.journaled_file import JOURNAL, PART, JournaledFile, part_of
from function.fetch.destination.verification_record import VerificationRecord
from function.fetch.destination.verify import digest_of, vouched
from function.source import ObjectInfo
from function.source.checksum import Algorithm
from function.system.trusted_files import opened

log = logging.getLogger(__name__)

LONGEST = 255 - len(PART + JOURNAL)
"""Bytes of a file's name in the cache: file systems take 255, and the longest name has something appended."""
KEPT = 180  # bytes that a longer one keeps, for people


class DiskDestination:
    """See Place. Made by holding it: ``pause`` is called while another process fills it, sleeps, and may raise.

    ``check`` may raise to stop what takes long.
    """

    def __init__(
        self, directory: Path, infos: Sequence[ObjectInfo], pause: Callable[[], None], check: Callable[[], None]
    ) -> None:
        self._directory, self._infos, self._check = directory, infos, check
        names = [kept_as(name_of(info.uri)) for info in infos]

        def ready(folder: Path) -> bool:
            return all(_long(folder / name) == info.size for name, info in zip(names, infos, strict=True))

        self.lease = cache_dir.hold(directory, cache_dir.key(tuple(infos)), ready=ready, pause=pause)
        self.files = [self.lease.folder / name for name in names]
        try:
            self._record = VerificationRecord(self.lease.folder)
        except BaseException:
            self.lease.close()
            raise

    @property
    def hashed(self) -> str | None:
        return self._record.sha256

    def note(self, sha256: str) -> None:
        self._record.note(sha256)

    def present(self, number: int) -> bool:
        """Whether that file is whole and what was verified; if it was touched since, it is read and verified anew."""
        file = self.files[number]
        try:
            with os.fdopen(opened(file), "rb", buffering=0) as content:
                found = os.fstat(content.fileno())
                if self._record.knows(file, found):
                    return True
                right = found.st_size == self._infos[number].size and self._verified(number, content.fileno())
        except FileNotFoundError:
            self._record.forget(file)
            return False
        except OSError as e:
            raise cache_dir.unusable(self._directory, f"{file}: {e.strerror}") from e
        if right:
            self._record.confirm(file, found)
        else:
            self._reject(file)
        return right

    def make_room(self, missing: int) -> None:
        try:
            written = sum(_written(part_of(file)) for file in self.files)
            cache_dir.make_room(self._directory, max(0, missing - written), self.lease.folder)
        except OSError as e:
            raise cache_dir.unusable(self._directory, e.strerror or str(e)) from e

    def partial(self, number: int, info: ObjectInfo, algorithm: Algorithm, block: int) -> JournaledFile:
        return JournaledFile(self.files[number], info, algorithm, block, self._record)

    def share(self) -> None:
        self.lease.share()

    def give_up(self) -> None:
        self.lease.close()

    def _verified(self, number: int, content: int) -> bool:
        """Whether the file's bytes are what the store vouches for, or what arrived where it vouches for nothing."""
        file = self.files[number]
        expected = vouched(self._infos[number]) or self._record.check(file)
        if expected is None:
            return False
        log.info("%s was touched since it was verified, or the machine restarted: verifying it anew", file)
        return digest_of(content, expected.partition(":")[0], self._check) == expected

    def _reject(self, file: Path) -> None:
        """The file is not what was verified: out of the way, so that it is fetched anew."""
        if not self.lease.alone:
            raise CacheUnusable(
                f"{file} is not what was verified, and another process uses it. Stop that one, or remove "
                f"{self.lease.folder}.",
                path=str(file),
            )
        log.warning("%s is not, or not known to be, what the store holds: it is fetched anew", file)
        self._record.forget(file)
        with suppress(FileNotFoundError):
            file.unlink()


def kept_as(name: str) -> str:
    """The name in the cache of a file called ``name``: the same, where it fits and is none of the cache's own."""
    data = name.encode(errors="surrogateescape")
    if len(data) <= LONGEST and not name.startswith("."):
        return name
    digest = hashlib.sha256(data).hexdigest()[: cache_dir.KEY_LENGTH]
    return f"{data[:KEPT].decode(errors='ignore').lstrip('.')}-{digest}"


def _long(file: Path) -> int | None:
    """Bytes of a file; None if there is none."""
    try:
        return file.lstat().st_size
    except FileNotFoundError:
        return None


def _written(part: Path) -> int:
    """Bytes of disk an unfinished file has already taken."""
    return part.stat().st_blocks * 512 if part.exists() else 0  # st_blocks counts 512 bytes whatever the disk's are
