"""Small text objects: chat templates and system prompts."""

from function.errors import SourceError
from function.settings import Stores
from function.source import open_source

TEXT_LIMIT = 1 << 20
"""Bytes of a chat template or system prompt that is read from a URI: far more than any context holds."""


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
