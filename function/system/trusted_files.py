"""Files that only this user or root can have created and can change.

A cache directory may be writable by others, as /tmp is, or a volume of a container. A foreign file under one of the
cache's names is an error, not a model.
"""

import os
import stat
from pathlib import Path

from function.errors import CacheUnusable

WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def open_trusted(path: Path, flags: int = os.O_RDONLY, mode: int = 0o600) -> int:
    """Open the file at ``path``, or the directory with O_DIRECTORY, and return a descriptor that passed the checks.

    Removes the write permission of others, which an open umask or a volume's rules may have granted. Raises
    CacheUnusable for a symbolic link, for another user's file, and if that permission stays; otherwise OSError as
    ``os.open``.
    """
    has_type = stat.S_ISDIR if flags & os.O_DIRECTORY else stat.S_ISREG
    try:  # O_NONBLOCK: another user may have put a pipe there
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, mode)
    except OSError:
        if path.is_symlink():
            raise _untrusted_error(path, "it is a symbolic link") from None
        _require_trusted_owner(path, path.lstat())
        raise
    try:
        found = os.fstat(descriptor)
        _require_trusted_owner(path, found)
        if not has_type(found.st_mode):
            raise _untrusted_error(path, "it is no folder" if flags & os.O_DIRECTORY else "it is no file")
        if found.st_mode & WRITABLE_BY_OTHERS:
            _remove_write_permission(descriptor, path, found)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def write_atomically(path: Path, text: str) -> None:
    """Write ``text`` to ``path``, completely or not at all; safe with concurrent writers. Raises OSError."""
    part = path.with_name(f"{path.name}.{os.urandom(6).hex()}")  # unguessable: no other user can have put a link there
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def is_trusted(user: int) -> bool:
    """Return True for this user, and for root, who can change any file anyway."""
    return user in (os.geteuid(), 0)


def _require_trusted_owner(path: Path, found: os.stat_result) -> None:
    if not is_trusted(found.st_uid):
        raise _untrusted_error(path, f"it belongs to the user {found.st_uid}")


def _untrusted_error(path: Path, reason: str) -> CacheUnusable:
    return CacheUnusable(
        f"{path} is not trusted: {reason}. Remove it, or point MODEL_CACHE_DIR at a directory that only this user "
        "may write.",
        path=str(path),
    )


def _remove_write_permission(descriptor: int, path: Path, found: os.stat_result) -> None:
    try:
        os.fchmod(descriptor, stat.S_IMODE(found.st_mode) & ~WRITABLE_BY_OTHERS)
        left = os.fstat(descriptor).st_mode & WRITABLE_BY_OTHERS  # some file systems ignore the call
    except OSError:
        left = WRITABLE_BY_OTHERS
    if left:
        raise _untrusted_error(path, f"others may write it (mode {stat.S_IMODE(found.st_mode):o})")
