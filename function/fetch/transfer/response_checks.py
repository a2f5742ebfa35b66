"""Checks of the headers of a store's response. Pure, but for the time of day."""

import email.utils
import time
from collections.abc import Mapping

from function.errors import SourceError
from function.source import is_encoded


def check_range(uri: str, headers: Mapping[str, str], start: int, stop: int, size: int) -> None:
    """Raise SourceError unless a 206 carries exactly bytes ``start`` … ``stop`` − 1 of ``size``."""
    expected = f"bytes {start}-{stop - 1}/{size}"
    stated = headers.get("content-range", "").strip()
    if stated.lower() not in (expected, f"bytes {start}-{stop - 1}/*"):
        raise SourceError(f"{uri}: requested {expected}, the server sent {stated or 'no Content-Range'}.", uri=uri)
    check_length(uri, headers, stop - start)


def check_length(uri: str, headers: Mapping[str, str], length: int) -> None:
    """Raise SourceError for a body of another length in bytes, or with an encoding of its bytes."""
    stated = headers.get("content-length", str(length)).strip()
    if stated != str(length):
        raise SourceError(f"{uri}: expected {length} bytes, the server announced {stated}.", uri=uri)
    encoding = headers.get("content-encoding", "").lower()
    if is_encoded(encoding):
        raise SourceError(f"{uri}: the server sent the bytes encoded as {encoding}.", uri=uri)


def parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a server asks to wait, given as a number or a date; None without a request."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None
