"""Every template of a real model: its dialect is learned, written, read however it is cut, and constrained."""

import json
import random

import pytest

from function.dialect.syntax import Dialect
from tests.dialect_cases import CALLS, LINES, TOOLS, accepts, cuts, found, read, reader_of, write

FOREIGN = {
    "HuggingFaceTB-SmolLM3-3B",
    "google-gemma-2-2b-it",
    "llama-cpp-rwkv-world",
    "microsoft-Phi-3.5-mini-instruct",
}
"""Templates that know no tools."""
THOUGHTFUL = 45
"""Templates at least that write thoughts."""


@pytest.fixture(scope="module")
def dialects(real_dialects: dict[str, Dialect]) -> dict[str, Dialect]:
    """Return the dialect of each real template."""
    return real_dialects


def test_real_templates_reveal_their_calls_and_thoughts(dialects: dict[str, Dialect]) -> None:
    assert len(dialects) >= 65
    foreign = {name for name, dialect in dialects.items() if not dialect.native}
    assert foreign <= FOREIGN
    assert (
        sum(dialect.thought is not None or dialect.channels is not None for dialect in dialects.values()) >= THOUGHTFUL
    )


def test_written_calls_are_found_however_they_are_cut(dialects: dict[str, Dialect]) -> None:
    for name, dialect in dialects.items():
        replies = [[call] for call in (*CALLS, LINES)] + ([[*CALLS, LINES]] if dialect.calls.parallel else [])
        for calls in replies:
            text = write(dialect, calls)
            for pieces in cuts(text):
                assert found(reader_of(dialect), pieces) == calls, (name, text)


def test_written_calls_are_accepted_by_the_grammar(dialects: dict[str, Dialect]) -> None:
    for name, dialect in dialects.items():
        for calls in [[call] for call in CALLS] + ([[*CALLS]] if dialect.calls.parallel else []):
            text = write(dialect, calls)
            for required in (True, False):
                rest = accepts(dialect, text, required=required, parallel=len(calls) > 1)
                assert rest == "", (name, text, rest)


def test_prose_is_refused_where_a_call_is_required(dialects: dict[str, Dialect]) -> None:
    for name, dialect in dialects.items():
        assert accepts(dialect, "It is sunny.", required=True, parallel=False), name
        unknown = write(dialect, [("other", {})])
        assert accepts(dialect, unknown, required=True, parallel=False), name


def test_thoughts_are_read_however_they_are_cut(dialects: dict[str, Dialect]) -> None:
    for name, dialect in dialects.items():
        thought = dialect.thought
        if thought is None:
            continue
        for opened in (True, False) if thought.begin else (True,):
            text = ("" if opened else thought.begin) + f"Let me see.{thought.end}{thought.gap}It is sunny."
            for pieces in cuts(text):
                content, thoughts, calls = read(reader_of(dialect, opened=opened), pieces)
                assert (content, calls) == ("It is sunny.", []), name
                assert thoughts == f"{thought.prefix if opened else ''}Let me see.", name


def test_any_reply_is_read_alike_however_it_is_cut(dialects: dict[str, Dialect]) -> None:
    draw = random.Random(5)
    for name, dialect in dialects.items():
        call = write(dialect, [CALLS[0]])
        words = [*dialect.marks, *call.split(" "), "city", "none", *'{}[]"\\,:=\n ', "text", "functions.", "```json\n"]
        for _ in range(15):
            text = "".join(draw.choices(words, k=draw.randrange(1, 14)))
            place = draw.randrange(len(call))
            for reply in (text, call[:place] + text + call[place:]):
                for cut in (True, False):
                    whole, *others = (read(reader_of(dialect), pieces, cut=cut) for pieces in cuts(reply))
                    assert all(other == whole for other in others), (name, reply)
                    assert cut or all(isinstance(json.loads(arguments), dict) for _, arguments in whole[2]), (
                        name,
                        reply,
                    )
                    assert all(called in TOOLS for called, _ in whole[2])
