"""Chunks of long texts, cut where tokenizers cut."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from function.engine.llama.text_chunks import MAX_CHUNK_CHARACTERS, split_text

# The same examples each time, and no clock: machines are busy.
patient = settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@patient
@given(st.text(alphabet="ab \n<|.ñ日", max_size=300), st.integers(4, 40))
def test_chunks_are_short_and_join_to_the_text(text: str, limit: int) -> None:
    pieces = list(split_text(text, limit))
    assert "".join(pieces) == text
    assert all(len(piece) <= limit for piece in pieces)
    assert all(pieces) or text == ""


def test_short_text_is_one_chunk() -> None:
    assert list(split_text("a b " * (MAX_CHUNK_CHARACTERS // 4))) == ["a b " * (MAX_CHUNK_CHARACTERS // 4)]


def test_words_are_not_cut() -> None:
    pieces = list(split_text("one two three four five six " * 20, 64))
    assert all(piece.startswith(" ") for piece in pieces[1:])
    assert [word for piece in pieces for word in piece.split()] == ("one two three four five six " * 20).split()


def test_code_is_cut_after_lines() -> None:
    pieces = list(split_text("x=1;\n" * 100, 64))
    assert all(piece.endswith(";\n") for piece in pieces)


def test_special_token_is_not_cut() -> None:
    text = "x" * 4085 + "<|im_end|>" + "x" * 5000
    assert "<|im_end|>" in "".join(piece for piece in split_text(text) if "<" in piece)
    assert sum("<|im_end|>" in piece for piece in split_text(text)) == 1
