"""A model's files in a folder of the cache: they outlast the process, and what is unfinished is gone on with."""

from collections.abc import Callable, Sequence
from pathlib import Path

from function.checksum import Algorithm
from function.fetch import cache
from function.fetch.journal import Journaled, part_of
from function.fetch.place import name_of
from function.source import ObjectInfo

HASHED = ".sha256"


class Folder:
    """See Place. Made by holding it: ``pause`` is called while another process fills it, sleeps, and may raise."""

    def __init__(self, directory: Path, infos: Sequence[ObjectInfo], pause: Callable[[], None]) -> None:
        self._directory = directory
        self._sizes = [info.size for info in infos]
        names = [name_of(info.uri) for info in infos]

        def ready(folder: Path) -> bool:
            return all(_whole(folder / name, size) for name, size in zip(names, self._sizes, strict=True))

        self.lease = cache.hold(directory, cache.key(tuple(infos)), ready=ready, pause=pause)
        self.files = [self.lease.folder / name for name in names]

    @property
    def hashed(self) -> str | None:
        note = self.lease.folder / HASHED
        return note.read_text() if note.exists() else None

    def note(self, sha256: str) -> None:
        (self.lease.folder / HASHED).write_text(sha256)

    def present(self, number: int) -> bool:
        return _whole(self.files[number], self._sizes[number])

    def make_room(self, missing: int) -> None:
        written = sum(_written(part_of(file)) for file in self.files)
        cache.make_room(self._directory, max(0, missing - written), self.lease.folder)

    def partial(self, number: int, info: ObjectInfo, algorithm: Algorithm, block: int) -> Journaled:
        return Journaled(self.files[number], info, algorithm, block)

    def share(self) -> None:
        self.lease.share()

    def give_up(self) -> None:
        self.lease.close()


def _whole(file: Path, size: int | None) -> bool:
    return file.is_file() and file.stat().st_size == size


def _written(part: Path) -> int:
    """Bytes of disk an unfinished file has already taken."""
    return part.stat().st_blocks * 512 if part.exists() else 0  # st_blocks counts 512 bytes whatever the disk's are
