"""Destination in a folder of the cache: its files outlast the process, and an unfinished fetch is resumed."""

import errno
import hashlib
import logging
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from function.errors import CacheUnusable, FunctionError, NoSpace
from function.fetch.destination import cache_dir
from function.fetch.destination.journaled_file import JOURNAL_SUFFIX, JournaledFile
from function.fetch.destination.verification_record import VerificationRecord
from function.source import (
    VERSION_DIGITS,
    Algorithm,
    ObjectInfo,
    combine_versions,
    hash_file,
    name_file,
    stated_digest,
)
from function.system.trusted_files import open_trusted

log = logging.getLogger(__name__)

PART_SUFFIX = ".part"
MAX_NAME_BYTES = 255 - len(PART_SUFFIX + JOURNAL_SUFFIX)  # file systems accept 255 with the longest suffix
SHORTENED_NAME_BYTES = 180  # kept of a longer name, for readers
DISK_BLOCK_BYTES = 512  # the unit of st_blocks on every disk


class DiskDestination:
    """Folder of the cache for one version of a model.

    While another process fills it, the constructor waits and calls ``pause``, which sleeps and may raise.
    ``raise_if_cancelled`` stops a long verification.
    """

    def __init__(
        self,
        directory: Path,
        infos: Sequence[ObjectInfo],
        pause: Callable[[], None],
        raise_if_cancelled: Callable[[], None],
    ) -> None:
        self._directory, self._infos, self._raise_if_cancelled = directory, infos, raise_if_cancelled
        names = [_shorten_name(name_file(info.uri)) for info in infos]

        def has_all_files(folder: Path) -> bool:
            return all(_file_size(folder / name) == info.size for name, info in zip(names, infos, strict=True))

        self.lease = cache_dir.acquire(directory, combine_versions(infos), has_all_files, pause)
        self.files = [self.lease.folder / name for name in names]
        try:
            self._record = VerificationRecord(self.lease.folder)
        except BaseException:
            self.lease.close()
            raise

    @property
    def sha256(self) -> str | None:
        """SHA-256 of the concatenated files; None if it was never computed."""
        return self._record.sha256

    def set_sha256(self, sha256: str) -> None:
        self._record.set_sha256(sha256)

    def is_complete(self, number: int) -> bool:
        """Return True if file ``number`` is complete and verified. A file that was modified since is verified again."""
        file = self.files[number]
        try:
            with os.fdopen(open_trusted(file), "rb", buffering=0) as content:
                found = os.fstat(content.fileno())
                if self._record.matches(file, found):
                    return True
                correct = found.st_size == self._infos[number].size and self._verify(number, content.fileno())
        except FileNotFoundError:
            self._record.remove(file)
            return False
        except OSError as e:
            raise cache_dir.unusable_error(self._directory, f"{file}: {e.strerror}") from e
        if correct:
            self._record.confirm(file, found)
        else:
            self._reject(file)
        return correct

    def make_room(self, missing: int) -> None:
        """Free space for ``missing`` bytes of incomplete files. Raises NoSpace."""
        try:
            written = sum(_disk_usage(_part_path(file)) for file in self.files)
            cache_dir.make_room(self._directory, max(0, missing - written), self.lease.folder)
        except OSError as e:
            raise cache_dir.unusable_error(self._directory, e.strerror or str(e)) from e

    def open_partial(self, number: int, info: ObjectInfo, algorithm: Algorithm, block_bytes: int) -> JournaledFile:
        """Return file ``number``, to be filled and promoted."""
        path = _part_path(self.files[number])
        self._partial = JournaledFile(
            path, info, algorithm, block_bytes, lambda error: _write_error(path, info.size or 0, error)
        )
        return self._partial

    def promote(self, number: int) -> None:
        """Give the partial file, complete and verified, its final name."""
        partial, info, file = self._partial, self._infos[number], self.files[number]
        check = f"{partial.algorithm.name}:{partial.algorithm.format_hex(partial.combine_checks())}"
        try:
            partial.path.rename(file)
            self._record.add(file, check=None if stated_digest(info.checksums) else check)
            partial.discard()  # its journal
        except OSError as e:
            raise _write_error(partial.path, partial.size, e) from e

    def share(self) -> None:
        """Allow other processes to use the complete files, which no longer change."""
        self.lease.share()

    def discard(self) -> None:
        """Remove the complete files, so that they are fetched again, unless another process uses them."""
        if self.lease.exclusive:
            for file in self.files:
                self._reject(file)

    def give_up(self) -> None:
        """End a failed attempt."""
        self.lease.close()

    def _verify(self, number: int, content: int) -> bool:
        """Compare a file with the store's checksum, or with that of the received bytes if the store has none."""
        file = self.files[number]
        expected = stated_digest(self._infos[number].checksums) or self._record.check(file)
        if expected is None:
            return False
        log.info("%s was modified since it was verified, or the machine has rebooted: verifying it again", file)
        return hash_file(content, expected.partition(":")[0], self._raise_if_cancelled) == expected

    def _reject(self, file: Path) -> None:
        """Remove a file that differs from the verified one, so that it is fetched again."""
        if not self.lease.exclusive:
            raise CacheUnusable(
                f"{file} differs from the verified file, and another process uses it. Stop that process, or remove "
                f"{self.lease.folder}.",
                path=str(file),
            )
        log.warning("%s is not, or cannot be shown to be, the store's object: fetching it again", file)
        self._record.remove(file)
        with suppress(FileNotFoundError):
            file.unlink()


def share_lease(directory: Path, path: Path) -> cache_dir.CacheLease | None:
    """Return this process's own lease on a file of the cache that another one holds; None for a file outside it."""
    return cache_dir.CacheLease.share_held(path.parent) if path.parent.parent == directory else None


def _shorten_name(name: str) -> str:
    """Return the file name in the cache: ``name`` if it is short enough and cannot be one of the cache's own."""
    data = name.encode(errors="surrogateescape")
    if len(data) <= MAX_NAME_BYTES and not name.startswith("."):
        return name
    digest = hashlib.sha256(data).hexdigest()[:VERSION_DIGITS]
    return f"{data[:SHORTENED_NAME_BYTES].decode(errors='ignore').lstrip('.')}-{digest}"


def _part_path(file: Path) -> Path:
    return file.with_name(file.name + PART_SUFFIX)


def _file_size(file: Path) -> int | None:
    try:
        return file.lstat().st_size
    except FileNotFoundError:
        return None


def _disk_usage(part: Path) -> int:
    """Return the bytes of disk that an unfinished file takes."""
    return part.stat().st_blocks * DISK_BLOCK_BYTES if part.exists() else 0


def _write_error(path: Path, size: int, error: OSError) -> FunctionError:
    """Return the error for a partial file that cannot be written."""
    if full := cache_dir.inodes_error(path.parent):
        return full
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        free = 0
        with suppress(OSError):
            free = cache_dir.free_bytes(path.parent)
        return NoSpace(
            f"{path.parent} is full: the model has {size} bytes, {free} are free. {cache_dir.suggest_remedy(size)}",
            needed=size,
            free=free,
        )
    if error.errno == errno.ENOENT:
        removed = CacheUnusable(f"{path} was removed during the fetch. Try again.", path=str(path))
        removed.permanent = False
        return removed
    return CacheUnusable(
        f"{path} cannot be written ({error.strerror}). Point MODEL_CACHE_DIR at a directory of this user.",
        path=str(path),
    )
