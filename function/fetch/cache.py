"""The cache directory: one folder per object version, one holder at a time, room made where it is needed.

    <cache>/<key>/<name>            the verified file; nothing else ever bears this name
    <cache>/<key>/<name>.part       what has arrived so far, with <name>.part.journal
    <cache>/<key>/.lock             flock: exclusive while fetching, shared while in use

The key is made from URI, version and size, so a changed object is another folder.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from function.errors import CacheUnusable, NoSpace
from function.source import ObjectInfo

LOCK = ".lock"
EVICTED = ".evicted"
KEY_LENGTH = 32  # hexadecimal digits: 128 bits, beyond any accident


def key(infos: tuple[ObjectInfo, ...]) -> str:
    """The folder's name."""
    text = "\n".join(f"{info.uri}\0{info.version}\0{info.size}" for info in infos)
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]


class Lease:
    """A folder of the cache, held. Nobody evicts it while the lease is open."""

    def __init__(self, folder: Path, descriptor: int) -> None:
        self.folder = folder
        self._descriptor = descriptor

    def share(self) -> None:
        """From now on others may use the folder too, and nobody changes it."""
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def keep(self) -> "Lease":
        """The same hold in another object, which outlives this one's ``with``."""
        other = Lease(self.folder, self._descriptor)
        self._descriptor = -1
        return other

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> "Lease":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


def hold(cache: Path, name: str, *, pause: Callable[[], None], shared: bool = False) -> Lease:
    """Hold the folder ``name``, created if it is missing, alone or with others.

    While another process holds it, ``pause`` is called between attempts; it sleeps a little and may raise. Raises
    CacheUnusable.
    """
    folder = cache / name
    mode = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except FileNotFoundError:
            continue  # evicted between the two calls
        except OSError as e:
            raise CacheUnusable(
                f"{cache} cannot be used as the cache ({e.strerror}). "
                "Point MODEL_CACHE_DIR at a directory this user may write.",
                path=str(cache),
            ) from e
        try:
            fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_ino == (folder / LOCK).stat().st_ino:
                os.utime(folder / LOCK)
                return Lease(folder, descriptor)
        except BlockingIOError:
            pass
        except FileNotFoundError:  # evicted while it was waited for
            os.close(descriptor)
            continue
        os.close(descriptor)
        pause()


def make_room(cache: Path, needed: int, keep: Path) -> None:
    """See that ``needed`` more bytes fit, removing what was used longest ago and is not held. Raises NoSpace."""
    if free(cache) >= needed:
        return
    for folder in cache.glob(f"*{EVICTED}"):
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
            f"{cache} has {room} bytes free, the model needs {needed} more. "
            "Give it more room or point MODEL_CACHE_DIR elsewhere.",
            free=room,
            needed=needed,
        )


def free(path: Path) -> int:
    """Bytes that may still be written."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def _oldest(cache: Path) -> list[Path]:
    """The folders this module made, the longest unused first."""
    folders = []
    for folder in cache.iterdir():
        lock = folder / LOCK
        if len(folder.name) == KEY_LENGTH and not folder.is_symlink() and lock.is_file():
            folders.append((lock.stat().st_mtime, folder))
    return [folder for _, folder in sorted(folders)]


def _evict(folder: Path) -> None:
    """Remove a folder unless somebody holds it."""
    try:
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Out of the way in one step, so that nobody starts to use a folder that is half gone.
        shutil.rmtree(folder.rename(folder.with_name(folder.name + EVICTED)), ignore_errors=True)
    except OSError:
        return  # held, or not ours
    finally:
        os.close(descriptor)
