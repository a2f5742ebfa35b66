"""Cache directory with one folder per version of a model, locks, and eviction of unused folders.

    <cache>/<key>/<name>            the verified file; no unverified file ever has this name
    <cache>/<key>/<name>.part       the bytes received so far, with <name>.part.journal
    <cache>/<key>/.verified         the file's attributes when it was verified; see verification_record
    <cache>/<key>/.lock             flock: exclusive during the fetch, shared during use

The key is made from URI, version and size, so a changed object has another folder. All files must belong to a trusted
user: see function.system.trusted_files.
"""

import fcntl
import logging
import os
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from function.errors import CacheUnusable, FetchError, NoSpace
from function.source import VERSION_DIGITS
from function.system.limits import memory_limit
from function.system.trusted_files import WRITABLE_BY_OTHERS, is_trusted, open_trusted

log = logging.getLogger(__name__)

LOCK_NAME = ".lock"
EVICTED_SUFFIX = ".evicted"
MAX_CREATIONS = 50  # of a folder that vanishes again each time: then none can be created in this directory


class CacheLease:
    """Lock on a folder of the cache, which prevents its eviction.

    ``exclusive``: no other process uses the folder, and its files may change.
    """

    def __init__(self, folder: Path, descriptor: int) -> None:
        self.folder = folder
        self.exclusive = False
        self._descriptor = descriptor

    def lock(self, mode: int) -> bool:
        """Take or change the lock without waiting; return False if another process has it or the folder was evicted."""
        try:
            fcntl.flock(self._descriptor, mode | fcntl.LOCK_NB)
            if os.fstat(self._descriptor).st_ino != (self.folder / LOCK_NAME).stat().st_ino:
                return False
        except (BlockingIOError, FileNotFoundError):
            return False
        self.exclusive = mode == fcntl.LOCK_EX
        os.utime(self._descriptor)  # time of the last use, for eviction
        return True

    def share(self) -> None:
        """Change to a shared lock: others may use the folder too, and its files no longer change."""
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)
        self.exclusive = False

    @classmethod
    def share_held(cls, folder: Path) -> "CacheLease | None":
        """Return a shared lease on a folder that another process holds; None if the lock cannot be shared."""
        lease = cls(folder, os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW))
        if lease.lock(fcntl.LOCK_SH):
            return lease
        lease.close()
        return None

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        self.close()


def acquire(cache: Path, name: str, is_complete: Callable[[Path], bool], pause: Callable[[], None]) -> CacheLease:
    """Lock the folder ``name``: exclusively, or shared with others once it is complete.

    While another process fills it, ``pause`` runs between attempts; it sleeps a little and may raise. The death of that
    process releases its lock. Raises CacheUnusable.
    """
    folder, vanished = cache / name, 0
    _prepare_directory(cache)
    while True:
        try:
            lease = _open_folder(folder)
        except FileNotFoundError as e:  # evicted between two of the calls, or removed together with the cache
            vanished += 1
            if vanished == MAX_CREATIONS:
                raise unusable_error(cache, e.strerror or str(e)) from e
            _prepare_directory(cache)
        except OSError as e:
            raise unusable_error(cache, f"{e.filename or folder}: {e.strerror or e}") from e
        else:
            if lease.lock(fcntl.LOCK_EX) or (lease.lock(fcntl.LOCK_SH) and is_complete(folder)):
                return lease
            lease.close()
        pause()


def _open_folder(folder: Path) -> CacheLease:
    """Open the folder, created if needed, without a lock. Raises CacheUnusable for an untrusted one, OSError."""
    with suppress(FileExistsError):  # an existing one is checked below
        folder.mkdir(mode=0o700)
    os.close(open_trusted(folder, os.O_RDONLY | os.O_DIRECTORY))
    return CacheLease(folder, open_trusted(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT))


def _prepare_directory(cache: Path) -> None:
    """Create the directory; reject symbolic links and foreign owners. Raises CacheUnusable.

    Others may write into it, as their files are not trusted. The sticky bit, as on /tmp, keeps them from replacing this
    user's files. Volumes of containers have none, and no other users: they are used, with a log line.
    """
    try:
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = cache.lstat()
    except OSError as e:
        raise unusable_error(cache, e.strerror or str(e)) from e
    if stat.S_ISLNK(found.st_mode):
        raise unusable_error(cache, "it is a symbolic link")
    if not is_trusted(found.st_uid):
        raise unusable_error(cache, f"it belongs to the user {found.st_uid}")
    if found.st_mode & WRITABLE_BY_OTHERS and not found.st_mode & stat.S_ISVTX:
        log.info("%s has no sticky bit: other users with write permission can replace a model in use", cache)


def unusable_error(cache: Path, reason: str) -> FetchError:
    """Return the error for a directory that cannot be written, or is not trusted."""
    return inodes_error(cache) or CacheUnusable(
        f"{cache} cannot be used as the cache: {reason}. "
        "Point MODEL_CACHE_DIR at a directory of this user that it may write.",
        path=str(cache),
    )


def inodes_error(folder: Path) -> NoSpace | None:
    """Return the error for a file system that has no inode left; None if it has some, or does not count them."""
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    found = os.statvfs(existing)
    if not found.f_files or found.f_favail:
        return None
    return NoSpace(
        f"{folder} is full: the file system has no free inodes, so that no file can be created, although "
        f"{found.f_bavail * found.f_frsize} bytes are free. Remove files there, or point MODEL_CACHE_DIR elsewhere.",
        path=str(folder),
        inodes=found.f_files,
    )


def make_room(cache: Path, needed: int, keep: Path) -> None:
    """Free ``needed`` bytes by evicting the folders that were unused for longest, except ``keep``. Raises NoSpace."""
    if free_bytes(cache) >= needed:
        return
    for folder in _own_folders(cache, EVICTED_SUFFIX):
        shutil.rmtree(folder, ignore_errors=True)
    for folder in _folders_by_last_use(cache):
        if folder == keep:
            continue
        _evict(folder)
        if free_bytes(cache) >= needed:
            return
    available = free_bytes(cache)
    if available < needed:
        raise NoSpace(
            f"{cache} has {available} bytes free, the model needs {needed} more. {suggest_remedy(needed)}",
            free=available,
            needed=needed,
        )


def suggest_remedy(needed: int) -> str:
    """Return advice for a directory without room for ``needed`` bytes."""
    limit = memory_limit()
    memory = ", or set MODEL_CACHE=memory" if limit is None or needed < limit else ""
    return f"Give it more room or point MODEL_CACHE_DIR elsewhere{memory}."


def free_bytes(path: Path) -> int:
    """Return the bytes of free disk space."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def _folders_by_last_use(cache: Path) -> list[Path]:
    """Return the folders of this cache, the longest unused first."""
    folders = []
    for folder in _own_folders(cache, ""):
        with suppress(FileNotFoundError):  # evicted by another process meanwhile
            folders.append(((folder / LOCK_NAME).lstat().st_mtime, folder))
    return [folder for _, folder in sorted(folders)]


def _own_folders(cache: Path, suffix: str) -> list[Path]:
    """Return this user's folders named by a key and ``suffix``; /tmp has others."""
    found = []
    for folder in cache.iterdir():
        if len(folder.name) == VERSION_DIGITS + len(suffix) and folder.name.endswith(suffix):
            with suppress(FileNotFoundError):
                kind = folder.lstat()
                if stat.S_ISDIR(kind.st_mode) and kind.st_uid == os.geteuid():
                    found.append(folder)
    return found


def _evict(folder: Path) -> None:
    """Remove a folder unless a process holds it."""
    try:
        descriptor = open_trusted(folder / LOCK_NAME, os.O_RDWR)
    except (OSError, CacheUnusable):
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Rename it in one step, so that no process starts to use a half-removed folder.
        shutil.rmtree(folder.rename(folder.with_name(folder.name + EVICTED_SUFFIX)), ignore_errors=True)
    except OSError:
        return  # in use, or not this user's
    finally:
        os.close(descriptor)
