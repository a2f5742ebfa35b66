"""Source of files of this machine: used in place, or read in parallel where a network file system holds them."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from urllib.parse import unquote, urlsplit

from function.errors import AccessDenied, ObjectNotFound, SourceError
from function.source.base import ObjectInfo, Source, status_error
from function.source.http_client import Request
from function.system.file_systems import MOUNTS, find_network_mount


class FileSource(Source):
    """File: ``file:///path`` or a plain path. ``mounts`` lists the mounted file systems."""

    def __init__(self, uri: str, mounts: Path = MOUNTS) -> None:
        self.uri = uri
        self.path = Path(unquote(urlsplit(uri).path)) if uri.startswith("file:") else Path(uri).expanduser()
        self.network_mount = find_network_mount(self.path, mounts)
        """Type of the FUSE or network file system of the file; None for a file on this machine."""

    @property
    def local(self) -> Path | None:
        return self.path if self.network_mount is None else None

    def describe(self) -> ObjectInfo:
        try:
            with self.path.open("rb") as file:
                found = self.path.stat()
                file.read(1)
        except FileNotFoundError as e:
            raise ObjectNotFound(f"{self.uri}: no such file ({self.path.absolute()}).", uri=self.uri) from e
        except IsADirectoryError as e:
            raise ObjectNotFound(f"{self.uri} is a directory. Name the file in it.", uri=self.uri) from e
        except PermissionError as e:
            raise AccessDenied(f"{self.uri}: no permission to read the file.", uri=self.uri) from e
        except OSError as e:
            raise SourceError(f"{self.uri}: {e.strerror}.", uri=self.uri) from e
        return ObjectInfo(self.uri, found.st_size, _version(found))

    def request(self, info: ObjectInfo, start: int, stop: int) -> Request:
        raise NotImplementedError("a local file is read, not requested")

    def check(self, info: ObjectInfo, headers: Mapping[str, str]) -> None:
        raise NotImplementedError("a local file is read, not requested")

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> SourceError:
        raise NotImplementedError("a local file is read, not requested")

    @contextmanager
    def open(self, info: ObjectInfo) -> Iterator[FileIO]:
        """Open the file for reads of the version ``info``. Raises ObjectChanged if it is another one, then or later."""
        with self.path.open("rb", buffering=0) as file:
            self._check_version(info, file)
            yield file
            self._check_version(info, file)

    def _check_version(self, info: ObjectInfo, file: FileIO) -> None:
        if _version(os.fstat(file.fileno())) != info.version:
            raise status_error(self.uri, 412)

    def read(self, info: ObjectInfo, start: int, buffer: memoryview) -> None:
        try:
            with self.path.open("rb") as file:
                file.seek(start)
                got = file.readinto(buffer)
        except OSError as e:
            raise SourceError(f"{self.uri}: {e.strerror}.", uri=self.uri) from e
        if got != len(buffer):
            raise SourceError(
                f"{self.uri}: the file ends at {start + got}, before {start + len(buffer)}.", uri=self.uri
            )


def _version(found: os.stat_result) -> str:
    return f"{found.st_mtime_ns:x}-{found.st_ino:x}"
