"""Result of a fetch: verified files on this machine."""

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from function.source import name_file


class FileLease(Protocol):
    """Hold on files that stay in place until it is closed. ``close`` is idempotent."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Fetched:
    """Model on this machine.

    ``digest`` is the verified checksum, ``crc32c:…``, ``crc64nvme:…``, ``crc32:…`` or ``sha256:…``; without any it is
    None and ``verified`` False. ``cached``: nothing was transferred. ``parts`` are all files of a split model, ``path``
    the first. The files stay until ``lease`` is closed; it is None for files that are used in place.
    """

    path: Path
    uri: str
    version: str
    size: int
    digest: str | None
    verified: bool
    cached: bool
    seconds: float
    parts: tuple[Path, ...]
    lease: FileLease | None = field(default=None, repr=False, compare=False)

    @property
    def name(self) -> str:
        """File name, which the path of a file in memory does not contain."""
        return self.path.name if self.lease is None else name_file(self.uri)

    def discard(self) -> None:
        """Remove the files from the cache, because they are damaged, and release them. Idempotent."""
        if self.lease is not None:
            for part in self.parts:
                with suppress(OSError):  # a file in memory has no name
                    part.unlink()
            self.close()

    def close(self) -> None:
        """Release the files. Idempotent."""
        if self.lease is not None:
            self.lease.close()
