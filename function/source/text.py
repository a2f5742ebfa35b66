"""Small text objects: chat templates and system prompts."""

from function.errors import SourceError
from function.settings import Stores
from function.source.uri import is_remote, open_source

MAX_TEXT_BYTES = 1 << 20
"""Size limit of a chat template or system prompt that is read from a URI, far more than any context holds."""


def read_text(uri: str, *, limit: int, stores: Stores | None = None) -> str:
    """Return the UTF-8 text of a small object of at most ``limit`` bytes. Raises SourceError."""
    source = open_source(uri, stores)
    info = source.describe()
    if info.size is None or info.size > limit:
        raise SourceError(f"{uri}: {info.size} bytes, but a text of at most {limit} is expected.", size=info.size)
    data = bytearray(info.size)
    source.read(info, 0, memoryview(data))
    try:
        return data.decode()
    except UnicodeDecodeError as e:
        raise SourceError(f"{uri}: not a text in UTF-8 (byte {e.start}).", uri=uri) from e


def load_text(value: str | None) -> str | None:
    """Return the text of a setting that holds a text or the URI of one. Raises as ``read_text``."""
    if value is not None and (is_remote(value) or value.startswith("file://")):
        return read_text(value, limit=MAX_TEXT_BYTES)
    return value
