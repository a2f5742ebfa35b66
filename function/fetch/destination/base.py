"""Where the files of one version of a model are put: what a fetch asks of it."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Protocol
from urllib.parse import unquote, urlsplit

from function.fetch.destination.partial_file import PartialFile
from function.source import ObjectInfo
from function.source.checksum import Algorithm


class FileLease(Protocol):
    """What keeps the files where they are until it is closed. Idempotent."""

    def close(self) -> None: ...


class Destination(Protocol):
    """Held for one attempt at a fetch, and by ``lease`` for as long as its files are used."""

    @property
    def files(self) -> Sequence[Path]:
        """One for each object, in order."""

    @property
    def lease(self) -> FileLease: ...

    @property
    def hashed(self) -> str | None:
        """What the files, one after the other, were found to hash to by SHA-256; None if nobody has looked."""

    def note(self, sha256: str) -> None:
        """What they hash to."""

    def present(self, number: int) -> bool:
        """Whether that file is whole."""

    def make_room(self, missing: int) -> None:
        """See that ``missing`` bytes, of the files that are not whole, can be written. Raises NoSpace, DoesNotFit."""

    def partial(self, number: int, info: ObjectInfo, algorithm: Algorithm, block: int) -> PartialFile:
        """That file, to be filled, and then ``promote``d."""

    def share(self) -> None:
        """All files are whole: others may use them too, and nobody changes them."""

    def give_up(self) -> None:
        """The attempt has failed."""


def name_of(uri: str) -> str:
    """What the file at ``uri`` is called."""
    return PurePosixPath(unquote(urlsplit(uri).path)).name or "model.gguf"
