"""The cache directory: one folder per object version, one holder at a time, room made where it is needed.

    <cache>/<key>/<name>            the verified file; nothing else ever bears this name
    <cache>/<key>/<name>.part       what has arrived so far, with <name>.part.journal
    <cache>/<key>/.verified         how the file looked when it was verified; see verification_record
    <cache>/<key>/.lock             flock: exclusive while fetching, shared while in use

The key is made from URI, version and size, so a changed object is another folder. Whose all of this must be:
function.system.trusted_files.
"""

import fcntl
import hashlib
import logging
import os
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from function.errors import CacheUnusable, NoSpace
from function.source import ObjectInfo
from function.system.limits import memory_limit
from function.system.trusted_files import OTHERS, opened, trusted

log = logging.getLogger(__name__)

LOCK = ".lock"
EVICTED = ".evicted"
PATIENCE = 50  # times that a folder may be gone again before it is there: then nothing can be made in this directory
KEY_LENGTH = 32  # hexadecimal digits: 128 bits, beyond any accident


def key(infos: tuple[ObjectInfo, ...]) -> str:
    """The folder's name."""
    text = "\n".join(f"{info.uri}\0{info.version}\0{info.size}" for info in infos)
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]


class CacheLease:
    """A folder of the cache, held. Nobody evicts it while the lease is open.

    ``alone``: nobody else uses it, and it may be changed.
    """

    def __init__(self, folder: Path, descriptor: int) -> None:
        self.folder = folder
        self.alone = False
        self._descriptor = descriptor

    def lock(self, mode: int) -> bool:
        """Take or change the lock without waiting; False if others are in the way or the folder was evicted."""
        try:
            fcntl.flock(self._descriptor, mode | fcntl.LOCK_NB)
            if os.fstat(self._descriptor).st_ino != (self.folder / LOCK).stat().st_ino:
                return False
        except (BlockingIOError, FileNotFoundError):
            return False
        self.alone = mode == fcntl.LOCK_EX
        os.utime(self._descriptor)  # when it was last used, for eviction
        return True

    def share(self) -> None:
        """From now on others may use the folder too, and nobody changes it."""
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)
        self.alone = False

    def keep(self) -> "CacheLease":
        """The same hold in another object, which outlives this one's ``with``."""
        other = CacheLease(self.folder, self._descriptor)
        self._descriptor = -1
        return other

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __enter__(self) -> "CacheLease":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


def hold(cache: Path, name: str, *, ready: Callable[[Path], bool], pause: Callable[[], None]) -> CacheLease:
    """Hold the folder ``name``: alone, or, once it is ready for use, with others.

    While another process is making it ready, ``pause`` is called between attempts; it sleeps a little and may raise.
    Should that process die, its lock is gone with it. Raises CacheUnusable.
    """
    folder, gone = cache / name, 0
    _own(cache)
    while True:
        try:
            lease = _opened(folder)
        except FileNotFoundError as e:  # evicted between two of the calls, or removed together with the cache
            gone += 1
            if gone == PATIENCE:
                raise unusable(cache, e.strerror or str(e)) from e
            _own(cache)
        except OSError as e:
            raise unusable(cache, f"{e.filename or folder}: {e.strerror or e}") from e
        else:
            if lease.lock(fcntl.LOCK_EX) or (lease.lock(fcntl.LOCK_SH) and ready(folder)):
                return lease
            lease.close()
        pause()


def _opened(folder: Path) -> CacheLease:
    """The folder, made if need be, not yet held. Raises CacheUnusable if it may be somebody else's, OSError."""
    with suppress(FileExistsError):  # what is there is looked at
        folder.mkdir(mode=0o700)
    os.close(opened(folder, os.O_RDONLY | os.O_DIRECTORY))
    return CacheLease(folder, opened(folder / LOCK, os.O_RDWR | os.O_CREAT))


def _own(cache: Path) -> None:
    """See that the directory exists and is no trap. Raises CacheUnusable.

    Others may write into it: what they put there is not trusted. The sticky bit, as on /tmp, keeps them from moving
    what is ours. Volumes of containers have none, and nobody else inside: they are used all the same, and it is told.
    """
    try:
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = cache.lstat()
    except OSError as e:
        raise unusable(cache, e.strerror or str(e)) from e
    if stat.S_ISLNK(found.st_mode):
        raise unusable(cache, "it is a symbolic link")
    if found.st_uid not in trusted():
        raise unusable(cache, f"it belongs to the user {found.st_uid}")
    if found.st_mode & OTHERS and not found.st_mode & stat.S_ISVTX:
        log.info("%s has no sticky bit: others who may write there can exchange a model while it is used", cache)


def unusable(cache: Path, reason: str) -> CacheUnusable:
    """The error for a directory that cannot be written, or must not be."""
    return CacheUnusable(
        f"{cache} cannot be used as the cache: {reason}. "
        "Point MODEL_CACHE_DIR at a directory of this user that it may write.",
        path=str(cache),
    )


def make_room(cache: Path, needed: int, keep: Path) -> None:
    """See that ``needed`` more bytes fit, removing what was used longest ago and is not held. Raises NoSpace."""
    if free(cache) >= needed:
        return
    for folder in _ours(cache, EVICTED):
        shutil.rmtree(folder, ignore_errors=True)
    for folder in _oldest(cache):
        if folder == keep:
            continue
        _evict(folder)
        if free(cache) >= needed:
            return
    room = free(cache)
    if room < needed:
        raise NoSpace(
            f"{cache} has {room} bytes free, the model needs {needed} more. {remedy(needed)}",
            free=room,
            needed=needed,
        )


def remedy(needed: int) -> str:
    """What to do where a directory has no room for ``needed`` bytes."""
    limit = memory_limit()
    memory = ", or set MODEL_CACHE=memory" if limit is None or needed < limit else ""
    return f"Give it more room or point MODEL_CACHE_DIR elsewhere{memory}."


def free(path: Path) -> int:
    """Bytes that may still be written."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def _oldest(cache: Path) -> list[Path]:
    """The folders this module made, the longest unused first."""
    folders = []
    for folder in _ours(cache, ""):
        with suppress(FileNotFoundError):  # evicted by somebody else meanwhile
            folders.append(((folder / LOCK).lstat().st_mtime, folder))
    return [folder for _, folder in sorted(folders)]


def _ours(cache: Path, suffix: str) -> list[Path]:
    """The folders of this user whose names are a key and ``suffix``: in /tmp there is much else."""
    found = []
    for folder in cache.iterdir():
        if len(folder.name) == KEY_LENGTH + len(suffix) and folder.name.endswith(suffix):
            with suppress(FileNotFoundError):
                kind = folder.lstat()
                if stat.S_ISDIR(kind.st_mode) and kind.st_uid == os.geteuid():
                    found.append(folder)
    return found


def _evict(folder: Path) -> None:
    """Remove a folder unless somebody holds it."""
    try:
        descriptor = opened(folder / LOCK, os.O_RDWR)
    except (OSError, CacheUnusable):
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Out of the way in one step, so that nobody starts to use a folder that is half gone.
        shutil.rmtree(folder.rename(folder.with_name(folder.name + EVICTED)), ignore_errors=True)
    except OSError:
        return  # held, or not ours
    finally:
        os.close(descriptor)
