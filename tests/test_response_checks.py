"""Checks of the headers of a store's response."""

import email.utils
import time

import pytest

from function.errors import SourceError
from function.fetch.transfer.response_checks import check_length, check_range, parse_retry_after

URI = "s3://models/m.gguf"


@pytest.mark.parametrize("stated", ["bytes 10-19/300", "Bytes 10-19/300", " bytes 10-19/300 ", "bytes 10-19/*"])
def test_requested_range_is_accepted(stated: str) -> None:
    check_range(URI, {"content-range": stated, "content-length": "10"}, 10, 20, 300)
    check_range(URI, {"content-range": stated}, 10, 20, 300)


@pytest.mark.parametrize(
    "stated",
    [
        "bytes 10-20/300",
        "bytes 9-19/300",
        "bytes 11-19/300",
        "bytes 10-19/301",
        "bytes 10-19",
        "bytes 0-299/300",
        "",
        None,
    ],
)
def test_another_range_is_rejected(stated: str | None) -> None:
    headers = {} if stated is None else {"content-range": stated}
    with pytest.raises(SourceError, match=f"requested bytes 10-19/300, the server sent {stated or 'no Content-Range'}"):
        check_range(URI, headers, 10, 20, 300)


@pytest.mark.parametrize("headers", [{"content-length": "9"}, {"content-length": "300"}, {"content-encoding": "gzip"}])
def test_range_with_other_bytes_is_rejected(headers: dict[str, str]) -> None:
    with pytest.raises(SourceError, match=r"expected 10 bytes, the server announced|encoded as gzip"):
        check_range(URI, {"content-range": "bytes 10-19/300", **headers}, 10, 20, 300)


def test_length_may_be_missing_and_the_encoding_the_identity() -> None:
    check_length(URI, {}, 300)
    check_length(URI, {"content-length": " 300 ", "content-encoding": "identity"}, 300)


def test_requested_wait_is_read_from_a_number_or_a_date() -> None:
    assert parse_retry_after({"retry-after": " 7 "}) == 7
    assert parse_retry_after({"retry-after": "0"}) == 0
    assert parse_retry_after({"retry-after": email.utils.formatdate(time.time() - 9, usegmt=True)}) == 0
    wait = parse_retry_after({"retry-after": email.utils.formatdate(time.time() + 1000, usegmt=True)})
    assert wait is not None
    assert 900 < wait <= 1000


@pytest.mark.parametrize("headers", [{}, {"retry-after": ""}, {"retry-after": "soon"}, {"retry-after": "-3"}])
def test_unreadable_wait_is_none(headers: dict[str, str]) -> None:
    assert parse_retry_after(headers) is None
