"""Result of a fetch: verified files on this machine."""

from dataclasses import dataclass, field
from pathlib import Path

from function.fetch.destination.base import FileLease, name_of


@dataclass(frozen=True, slots=True)
class Fetched:
    """A model on this machine.

    ``digest`` is what was verified, ``crc32c:…``, ``crc64nvme:…``, ``crc32:…`` or ``sha256:…``; None where nothing
    could be, and then ``verified`` is False. ``cached``: no byte was needed. ``parts`` are all files of a split model,
    ``path`` the first. The files stay until ``lease`` is closed; of files that are used in place it is None.
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
        """What the file is called, which in memory its path does not say."""
        return self.path.name if self.lease is None else name_of(self.uri)

    def close(self) -> None:
        """The files are needed no more. Idempotent."""
        if self.lease is not None:
            self.lease.close()
