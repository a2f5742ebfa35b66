"""Whether an answer is what was asked for: nothing a server says of its own bytes is taken on trust."""

import email.utils
import time
from collections.abc import Mapping

from function.errors import SourceError


class RangeRejected(SourceError):
    """The server sends the object whole where a range was asked for."""


def check_range(uri: str, headers: Mapping[str, str], start: int, stop: int, size: int) -> None:
    """Raise SourceError unless a 206 says it carries exactly bytes ``start`` … ``stop`` − 1 of ``size``."""
    expected = f"bytes {start}-{stop - 1}/{size}"
    said = headers.get("content-range", "").strip()
    if said.lower() not in (expected, f"bytes {start}-{stop - 1}/*"):
        raise SourceError(f"{uri}: asked for {expected}, the server sent {said or 'no Content-Range'}.", uri=uri)
    check_length(uri, headers, stop - start)


def check_length(uri: str, headers: Mapping[str, str], length: int) -> None:
    """Raise SourceError if a body is announced in another length, or in another encoding than its own bytes."""
    said = headers.get("content-length", str(length)).strip()
    if said != str(length):
        raise SourceError(f"{uri}: expected {length} bytes, the server announced {said}.", uri=uri)
    encoding = headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", ""):
        raise SourceError(f"{uri}: the server sent the bytes encoded as {encoding}.", uri=uri)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds a server asks to be left alone: a number, or a date."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None
