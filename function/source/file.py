"""Source of local files, which are used in place and never copied."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from function.errors import AccessDenied, ObjectNotFound, SourceError
from function.source.base import ObjectInfo, Source
from function.source.http_client import Request


class FileSource(Source):
    """Local file: ``file:///path`` or a plain path."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._path = Path(unquote(urlsplit(uri).path)) if uri.startswith("file:") else Path(uri).expanduser()

    @property
    def local(self) -> Path:
        return self._path

    def describe(self) -> ObjectInfo:
        try:
            with self._path.open("rb") as file:
                found = self._path.stat()
                file.read(1)
        except FileNotFoundError as e:
            raise ObjectNotFound(f"{self.uri}: no such file ({self._path.absolute()}).", uri=self.uri) from e
        except IsADirectoryError as e:
            raise ObjectNotFound(f"{self.uri} is a directory. Name the file in it.", uri=self.uri) from e
        except PermissionError as e:
            raise AccessDenied(f"{self.uri}: no permission to read the file.", uri=self.uri) from e
        except OSError as e:
            raise SourceError(f"{self.uri}: {e.strerror}.", uri=self.uri) from e
        return ObjectInfo(self.uri, found.st_size, f"{found.st_mtime_ns:x}-{found.st_ino:x}")

    def request(self, info: ObjectInfo, start: int, stop: int) -> Request:
        raise NotImplementedError("a local file is read, not requested")

    def check(self, info: ObjectInfo, headers: Mapping[str, str]) -> None:
        raise NotImplementedError("a local file is read, not requested")

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> SourceError:
        raise NotImplementedError("a local file is read, not requested")

    def read(self, info: ObjectInfo, start: int, buffer: memoryview) -> None:
        try:
            with self._path.open("rb") as file:
                file.seek(start)
                got = file.readinto(buffer)
        except OSError as e:
            raise SourceError(f"{self.uri}: {e.strerror}.", uri=self.uri) from e
        if got != len(buffer):
            raise SourceError(
                f"{self.uri}: the file ends at {start + got}, before {start + len(buffer)}.", uri=self.uri
            )
