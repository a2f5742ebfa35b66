"""What may be trusted in the cache: what only this user, or root, can have put there and can change.

The directory itself may be one where others write as well, as /tmp is, or a volume of a container. What they put there
under a name of ours is an error, not a model.
"""

import os
import stat
from pathlib import Path

from function.errors import CacheUnusable

OTHERS = stat.S_IWGRP | stat.S_IWOTH


def opened(path: Path, flags: int = os.O_RDONLY, mode: int = 0o600) -> int:
    """A descriptor of the file at ``path``, of the folder with O_DIRECTORY; what is looked at is what was opened.

    Others' right to write into what is ours, from an open umask or a volume's rules, is taken away. Raises
    CacheUnusable for a link, for what is somebody else's, and where that right stays; otherwise OSError as ``os.open``.
    """
    kind = stat.S_ISDIR if flags & os.O_DIRECTORY else stat.S_ISREG
    try:  # O_NONBLOCK: what somebody else put there may be a pipe
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, mode)
    except OSError:
        if path.is_symlink():
            raise foreign(path, "it is a symbolic link") from None
        if (found := path.lstat()).st_uid not in trusted():
            raise foreign(path, f"it belongs to the user {found.st_uid}") from None
        raise
    try:
        found = os.fstat(descriptor)
        if found.st_uid not in trusted():
            raise foreign(path, f"it belongs to the user {found.st_uid}")
        if not kind(found.st_mode):
            raise foreign(path, "it is no folder" if flags & os.O_DIRECTORY else "it is no file")
        if found.st_mode & OTHERS:
            _close_to_others(descriptor, path, found)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def replace(path: Path, text: str) -> None:
    """Put ``text`` at ``path``, whole or not at all: others of this user may do the same. Raises OSError."""
    part = path.with_name(f"{path.name}.{os.urandom(6).hex()}")  # a name that nobody can have put a link under
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def trusted() -> tuple[int, int]:
    """The users whose files are believed: this one, and root, who can do anything as it is."""
    return os.geteuid(), 0


def foreign(path: Path, reason: str) -> CacheUnusable:
    """The error for what bears a name of the cache's and may be anybody's."""
    return CacheUnusable(
        f"{path} is not trusted: {reason}. Remove it, or point MODEL_CACHE_DIR at a directory that only this user "
        "may write.",
        path=str(path),
    )


def _close_to_others(descriptor: int, path: Path, found: os.stat_result) -> None:
    try:
        os.fchmod(descriptor, stat.S_IMODE(found.st_mode) & ~OTHERS)
        left = os.fstat(descriptor).st_mode & OTHERS  # some file systems take the call and change nothing
    except OSError:
        left = OTHERS
    if left:
        raise foreign(path, f"others may write it (mode {stat.S_IMODE(found.st_mode):o})")
