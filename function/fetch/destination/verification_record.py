"""What a folder of the cache remembers of the files that were verified in it, so that the next start reads none.

A file is taken for what was verified as long as its size, its two times and its inode are what they were: whatever
writes into it, or puts another in its place, changes one of them. And as long as the machine was not started anew since
its bytes were written: a power cut can leave zeros in a file of the right length.

That is why nothing is forced to disk while a fetch is waited for: fsync was measured at 0.4 s for each GB on a fast
disk (none in memory). A file that is found after another boot is read back once, at the disk's pace, and what was read
from the disk is on it: from then on the boot does not matter.
"""

import json
import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from function.system.trusted_files import opened, replace

log = logging.getLogger(__name__)

NAME = ".verified"
LONGEST = 1 << 20  # bytes: hundreds of times what a model of many parts needs
BOOT = Path("/proc/sys/kernel/random/boot_id")


class VerificationRecord:
    """The record in ``folder``, whose lock is held. Raises CacheUnusable if it is another user's.

    One that is damaged is worth nothing. One that cannot be written is not kept: each start then reads the files.
    """

    def __init__(self, folder: Path, boot: Path = BOOT) -> None:
        self._path = folder / NAME
        self._boot = _text(boot)
        self._files: dict[str, dict[str, Any]] = {}
        self._sha256: str | None = None
        with suppress(FileNotFoundError):
            self._read()

    @property
    def sha256(self) -> str | None:
        """What all files, one after the other, hash to, as long as none of them was touched; None if unknown."""
        return self._sha256

    def note(self, sha256: str | None) -> None:
        self._sha256 = sha256
        self._write()

    def knows(self, file: Path, found: os.stat_result) -> bool:
        """Whether ``file`` is what was verified."""
        kept = self._files.get(file.name, {})
        return bool(kept) and kept["stamp"] == _stamp(found) and kept["boot"] in ("", self._boot)

    def check(self, file: Path) -> str | None:
        """``algorithm:hex`` of a file that the store has no checksum of, as it arrived."""
        check = self._files.get(file.name, {}).get("check")
        return check if isinstance(check, str) else None

    def add(self, file: Path, *, check: str | None) -> None:
        """``file`` was written, and is verified. ``check``: see ``check``."""
        boot = self._boot
        if not boot:  # a sandbox that tells of none, and keeps its files in memory, as gVisor does: this takes no time
            with file.open("rb") as written:
                os.fsync(written.fileno())
        self._files[file.name] = {"stamp": _stamp(file.lstat()), "boot": boot, "check": check}
        self._write()

    def confirm(self, file: Path, found: os.stat_result) -> None:
        """``file`` was read from end to end after ``found`` was asked for, and is what was verified."""
        kept = self._files.get(file.name, {})
        same = kept.get("stamp") == _stamp(found)  # written before this boot, and read from the disk in it
        boot, check = "" if same else self._boot, kept.get("check")
        self._files[file.name] = {"stamp": _stamp(found), "boot": boot, "check": check}
        self._sha256 = self._sha256 if same else None
        self._write()

    def forget(self, file: Path) -> None:
        """``file`` is not what was verified, or not there."""
        if self._files.pop(file.name, None) is not None or self._sha256 is not None:
            self._sha256 = None
            self._write()

    def _read(self) -> None:
        with os.fdopen(opened(self._path), "rb") as file:
            try:
                told = json.loads(file.read(LONGEST))
                files = {
                    str(name): {"stamp": list(one["stamp"]), "boot": str(one["boot"]), "check": one["check"]}
                    for name, one in told["files"].items()
                }
                self._files, self._sha256 = files, told["sha256"]
            except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as e:
                log.debug("%s is not used: %s", self._path, e)

    def _write(self) -> None:
        """Keep it, if that can be."""
        try:
            replace(self._path, json.dumps({"files": self._files, "sha256": self._sha256}))
        except OSError as e:
            log.debug("%s is not kept: %s", self._path, e)


def _stamp(found: os.stat_result) -> list[int]:
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
