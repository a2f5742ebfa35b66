"""Record of the verified files in a folder of the cache, so that the next start need not read them.

A file counts as the verified one while its size, its two times and its inode are unchanged, since every write and every
replacement changes one of them, and while the machine has not rebooted since the bytes were written, because a power
cut can leave zeros in a file of the right length.

Hence a fetch forces nothing to disk: fsync took 0.4 s per GB on a fast disk (none in memory). After a reboot a file is
read back once, at the disk's speed. The bytes are then known to be on the disk, and later reboots do not matter.
"""

import json
import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from function.system.trusted_files import open_trusted, write_atomically

log = logging.getLogger(__name__)

RECORD_NAME = ".verified"
MAX_RECORD_BYTES = 1 << 20  # hundreds of times the record of a model with many parts
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class VerificationRecord:
    """Record in ``folder``, whose lock is held. Raises CacheUnusable if it is another user's.

    A damaged record is ignored. If it cannot be written, each start reads the files.
    """

    def __init__(self, folder: Path, boot: Path = BOOT_ID) -> None:
        self._path = folder / RECORD_NAME
        self._boot = _read_text(boot)
        self._files: dict[str, dict[str, Any]] = {}
        self._sha256: str | None = None
        with suppress(FileNotFoundError):
            self._read()

    @property
    def sha256(self) -> str | None:
        """SHA-256 of the concatenated files while none of them is modified; None if unknown."""
        return self._sha256

    def set_sha256(self, sha256: str) -> None:
        self._sha256 = sha256
        self._write()

    def matches(self, file: Path, found: os.stat_result) -> bool:
        """Return True if ``file`` with the attributes ``found`` is the verified one."""
        kept = self._files.get(file.name, {})
        return bool(kept) and kept["stamp"] == _stamp(found) and kept["boot"] in ("", self._boot)

    def check(self, file: Path) -> str | None:
        """Return ``algorithm:hex`` of the received bytes of a file for which the store has no checksum."""
        check = self._files.get(file.name, {}).get("check")
        return check if isinstance(check, str) else None

    def add(self, file: Path, *, check: str | None) -> None:
        """Add a file that was written and verified. ``check`` is the value that the method ``check`` returns."""
        boot = self._boot
        if not boot:  # a sandbox such as gVisor, whose files are in memory: this takes no time
            with file.open("rb") as written:
                os.fsync(written.fileno())
        self._files[file.name] = {"stamp": _stamp(file.lstat()), "boot": boot, "check": check}
        self._write()

    def confirm(self, file: Path, found: os.stat_result) -> None:
        """Confirm a file that was read completely after its attributes ``found`` and is the verified one."""
        kept = self._files.get(file.name, {})
        same = kept.get("stamp") == _stamp(found)  # written before this boot, and read from the disk in it
        boot, check = "" if same else self._boot, kept.get("check")
        self._files[file.name] = {"stamp": _stamp(found), "boot": boot, "check": check}
        self._sha256 = self._sha256 if same else None
        self._write()

    def remove(self, file: Path) -> None:
        """Remove a file that differs from the verified one, or is absent."""
        if self._files.pop(file.name, None) is not None or self._sha256 is not None:
            self._sha256 = None
            self._write()

    def _read(self) -> None:
        with os.fdopen(open_trusted(self._path), "rb") as file:
            try:
                values = json.loads(file.read(MAX_RECORD_BYTES))
                files = {
                    str(name): {"stamp": list(one["stamp"]), "boot": str(one["boot"]), "check": one["check"]}
                    for name, one in values["files"].items()
                }
                self._files, self._sha256 = files, values["sha256"]
            except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as e:
                log.debug("%s is not used: %s", self._path, e)

    def _write(self) -> None:
        """Write the record if possible."""
        try:
            write_atomically(self._path, json.dumps({"files": self._files, "sha256": self._sha256}))
        except OSError as e:
            log.debug("%s is not written: %s", self._path, e)


def _stamp(found: os.stat_result) -> list[int]:
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def _read_text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
