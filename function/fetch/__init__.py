"""A model's URI → one verified file on this machine.

Reads no header, knows no llama.cpp: what the bytes mean is for others. Imports as little as it can, because on a cold
start it runs before everything else.
"""

import threading
from dataclasses import dataclass, field
from pathlib import Path

from function.errors import SourceError
from function.fetch.destination.base import Hold, name_of
from function.fetch.destination.memory import Memory
from function.fetch.policy import Policy
from function.fetch.progress import Progress
from function.settings import Settings, Stores
from function.source import open_source

__all__ = ["Fetched", "Memory", "Policy", "Progress", "cache_of", "fetch", "name_of", "read_text", "text_of"]

TEXT_LIMIT = 1 << 20
"""Bytes of a chat template or system prompt that is read from a URI: far more than any context holds."""


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
    lease: Hold | None = field(default=None, repr=False, compare=False)

    @property
    def name(self) -> str:
        """What the file is called, which in memory its path does not say."""
        return self.path.name if self.lease is None else name_of(self.uri)

    def close(self) -> None:
        """The files are needed no more. Idempotent."""
        if self.lease is not None:
            self.lease.close()


def fetch(
    uri: str,
    *,
    cache: Path | Memory,
    sha256: str | None = None,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
    policy: Policy | None = None,
    stores: Stores | None = None,
) -> Fetched:
    """Have the model as verified files: in place if they are local, else in the cache, fetched if need be.

    The cache is a directory, or memory that was made for this URI, and is closed unless the files are in it.
    A URI that ends in ``-00001-of-0000N.gguf`` stands for all N files. ``sha256`` is what the bytes must hash to, of a
    split model those of its files one after the other. Raises SourceError, FetchError; Stopping once ``cancel`` is set.
    """
    from function.fetch.job import Job

    fetched = None
    try:
        fetched = Job(uri, cache, sha256, progress or Progress(), cancel, policy or Policy(), stores).run()
        return fetched
    finally:
        if isinstance(cache, Memory) and (fetched is None or fetched.lease is None):
            cache.close()


def cache_of(settings: Settings, uri: str) -> Path | Memory:
    """Where the settings have what is fetched from ``uri``. Raises CacheUnusable."""
    return Memory(uri) if settings.model_cache == "memory" else settings.model_cache_dir


def read_text(uri: str, *, limit: int, stores: Stores | None = None) -> str:
    """A small text object: a chat template, a system prompt. ``limit`` in bytes. Raises SourceError."""
    source = open_source(uri, stores)
    info = source.describe()
    if info.size is None or info.size > limit:
        raise SourceError(f"{uri}: {info.size} bytes, where a text of at most {limit} is expected.", size=info.size)
    data = bytearray(info.size)
    source.read(info, 0, memoryview(data))
    try:
        return data.decode()
    except UnicodeDecodeError as e:
        raise SourceError(f"{uri}: not a text in UTF-8 (byte {e.start}).", uri=uri) from e


def text_of(value: str | None, *, limit: int = TEXT_LIMIT) -> str | None:
    """A setting that is a text or the URI of one. Raises as ``read_text`` does."""
    if value is not None and value.startswith(("gs://", "s3://", "https://", "http://", "file://", "hf://")):
        return read_text(value, limit=limit)
    return value
