"""TextStream: no character is split or lost, and no stop string leaks, for any bytes and stop strings."""

import itertools

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from function.engine.text_stream import TextStream

# The same examples each time, and no clock: machines are busy.
patient = settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


def fed(pieces: list[bytes], stop: tuple[str, ...] = ()) -> tuple[list[str], bool]:
    """Return all texts of a stream for ``pieces``, including the rest, and ``stopped``."""
    stream = TextStream(stop)
    given = []
    for piece in pieces:
        given.append(stream.feed(piece))
        if stream.stopped:
            break
    return [*given, stream.finish()], stream.stopped


def before_first(text: str, stop: tuple[str, ...]) -> str:
    """Return ``text`` up to the first complete stop string, the longest of several: a slow reference."""
    for end in range(len(text) + 1):
        starts = [end - len(word) for word in stop if word and text[:end].endswith(word)]
        if starts:
            return text[: min(starts)]
    return text


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


cuts = st.lists(st.integers(0, 1000), max_size=20)
few = st.text(alphabet="ab ñ日🎉", max_size=30)
stops = st.lists(st.text(alphabet="ab ñ日🎉", max_size=4), max_size=4).map(tuple)


@patient
@given(st.text(max_size=50), cuts)
def test_text_is_unchanged_for_any_split_of_its_bytes(text: str, at: list[int]) -> None:
    assert "".join(fed(split(text.encode(), at))[0]) == text


@patient
@given(st.lists(st.binary(max_size=6), max_size=20))
def test_invalid_bytes_become_replacement_characters(pieces: list[bytes]) -> None:
    assert "".join(fed(pieces)[0]) == b"".join(pieces).decode(errors="replace")


@patient
@given(few, cuts, stops)
def test_stop_string_is_cut_and_the_text_before_it_kept(text: str, at: list[int], stop: tuple[str, ...]) -> None:
    given, stopped = fed(split(text.encode(), at), stop)
    assert "".join(given) == before_first(text, stop)
    assert stopped == any(word and word in text for word in stop)


@patient
@given(st.lists(st.sampled_from([b"a", b"b", b"\xc3", b"\xb1", b"\xf0\x9f", b"\x8e\x89", b"\xff"]), max_size=20), stops)
def test_stop_strings_are_found_among_broken_bytes(pieces: list[bytes], stop: tuple[str, ...]) -> None:
    text = b"".join(pieces).decode(errors="replace")
    assert "".join(fed(pieces, stop)[0]) == before_first(text, stop)


def test_text_is_returned_as_soon_as_it_is_final() -> None:
    stream = TextStream(("END",))
    assert [stream.feed(piece) for piece in (b"a", b"E", b"N", b"x", b"\xc3", b"\xb1")] == ["a", "", "", "ENx", "", "ñ"]


def test_incomplete_character_is_replaced_at_the_end() -> None:
    stream = TextStream()
    assert stream.feed("🎉".encode()[:3]) == ""
    assert stream.finish() == "\ufffd"


def test_no_text_follows_a_stop_string() -> None:
    stream = TextStream(("stop",))
    assert stream.feed(b"go stop go") == "go "
    assert stream.stopped
    assert stream.feed(b"more") == ""
    assert stream.finish() == ""


def test_empty_stop_string_is_ignored() -> None:
    assert fed([b"a", b"b"], ("",)) == (["a", "b", ""], False)


def test_count_held_locates_the_next_piece() -> None:
    stream = TextStream(("END",))
    for piece, before in ((b"aE", 0), (b"N", 1), (b"x\xf0", 2), (b"\x9f", 0), (b"a", 1), (b"\xc3", 0), (b"\xb1", 0)):
        assert stream.count_held(piece) == before
        stream.feed(piece)
