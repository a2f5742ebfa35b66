"""Replies under a grammar from a model with random weights: only the grammar makes them valid."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from function.dialect.syntax import HERMES, Dialect, ThoughtSyntax
from function.dialect.tool_grammar import ToolSignature, allow_thought, tool_call_grammar
from function.engine import Engine, Finished, Job, LoadOptions, Sampling, TextPiece, json_grammar
from function.engine.grammar.constraint import Constraint
from function.errors import RequestError
from tests.schemas import SCHEMAS, Schema
from tools.models import write_model
from tools.shapes import SHAPES

PERSON: Schema = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "age": {"type": "integer", "minimum": 0, "maximum": 99},
        "tags": {"type": "array", "items": {"enum": ["red", "green"]}, "maxItems": 3},
    },
    "required": ["name", "age", "tags"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def engine(tiny_model: Path) -> Iterator[Engine]:
    loaded = Engine.load(tiny_model, LoadOptions(n_ctx=1024))
    yield loaded
    loaded.close()


def reply(engine: Engine, schema: Schema, seed: int = 1, **job: Any) -> tuple[str, Finished, list[TextPiece]]:
    """Return the text of a reply under ``schema``, its last event, and its pieces."""
    constraint = engine.constrain(json_grammar(schema, "schema"))
    asked: dict[str, Any] = {"max_tokens": 200, "sampling": Sampling(seed=seed, temperature=1.0)} | job
    prompt = engine.tokenize_chat([{"role": "user", "content": "Tell me."}])
    *before, last = engine.submit(Job(prompt=prompt, constraint=constraint, **asked))
    assert isinstance(last, Finished)
    pieces = [event for event in before if isinstance(event, TextPiece)]
    return "".join(piece.text for piece in pieces), last, pieces


def holds(text: str, schema: Schema) -> None:
    """Return true if the text is JSON that is valid under the schema."""
    jsonschema.Draft202012Validator(schema).validate(json.loads(text))


def test_random_model_follows_the_schema(engine: Engine) -> None:
    texts = set()
    for seed in range(20):
        text, end, _ = reply(engine, PERSON, seed)
        assert (end.reason, end.error) == ("stop", None)
        holds(text, PERSON)
        texts.add(text)
    assert len(texts) == 20


def test_seed_repeats_the_reply_after_any_history(engine: Engine) -> None:
    first = reply(engine, PERSON, 5)[0]
    reply(engine, {"type": "object"}, 6, max_tokens=30)
    assert reply(engine, PERSON, 5)[0] == first


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(seed=3, temperature=0),
        Sampling(seed=3, temperature=50.0, top_k=0, top_p=1, min_p=0),
        Sampling(seed=3, typical_p=0.3, repeat_penalty=1.5, presence_penalty=2),
        Sampling(seed=3, ignore_eos=True),
        Sampling(seed=3, mirostat=1),
        Sampling(seed=3, mirostat=2),
        Sampling(seed=3, top_n_sigma=1, xtc_probability=1, xtc_threshold=0.01, dynatemp_range=1),
        Sampling(seed=3, dry_multiplier=2, dry_penalty_last_n=-1),
        Sampling(seed=3, logit_bias=dict.fromkeys(range(0, 1024, 2), -100)),
        Sampling(seed=3, top_k=1, logit_bias={5: 100}),
    ],
)
def test_sampling_parameters_keep_to_the_schema(engine: Engine, sampling: Sampling) -> None:
    text, end, _ = reply(engine, PERSON, sampling=sampling)
    assert (end.reason, end.error) == ("stop", None)
    holds(text, PERSON)


def test_tokens_are_counted_and_a_cut_reply_ends_with_length(engine: Engine) -> None:
    whole, end, _ = reply(engine, PERSON)
    for most in range(1, end.usage.completion_tokens):
        text, cut, _ = reply(engine, PERSON, max_tokens=most)
        assert (cut.reason, cut.usage.completion_tokens) == ("length", most)
        assert whole.startswith(text.rstrip("\ufffd")), "the cut may be within a character"
    assert reply(engine, PERSON, max_tokens=end.usage.completion_tokens)[1].reason == "stop"


def test_stop_string_within_the_grammar_ends_with_length(engine: Engine) -> None:
    whole = reply(engine, PERSON)[0]
    text, end, _ = reply(engine, PERSON, stop=('", "age',))
    assert text == whole[: whole.index('", "age')]
    assert end.reason == "length"


def test_forced_tokens_are_not_sampled(engine: Engine) -> None:
    schema = {"const": {"a sentence": "that is the only one there is, " * 20}}
    text, end, pieces = reply(engine, schema, max_tokens=1000)
    holds(text, schema)
    assert end.usage.completion_tokens > 64, "more than one chunk"
    assert len(pieces) > 1
    assert end.reason == "stop"


def test_cancelled_reply_leaves_the_cache_consistent(engine: Engine) -> None:
    expected = reply(engine, PERSON, 8)[0]
    prompt = engine.tokenize_chat([{"role": "user", "content": "Tell me."}])
    constraint = engine.constrain(json_grammar({"type": "array", "items": {"type": "string"}}, "schema"))
    generation = engine.submit(Job(prompt=prompt, constraint=constraint))
    for event in generation:
        if isinstance(event, TextPiece):
            generation.cancel()
    assert reply(engine, PERSON, 8)[0] == expected


def test_reply_beyond_the_limits_is_an_error_and_the_engine_continues(engine: Engine) -> None:
    schema = {"type": "string", "pattern": "^(([a-z ]{1,999}){1,999}){1,999}$", "minLength": 5000}
    try:
        _, end, _ = reply(engine, schema, max_tokens=900)
    except RequestError as e:
        assert e.param == "schema"
    else:
        assert end.reason == "length" or isinstance(end.error, RequestError), end
    holds(reply(engine, PERSON)[0], PERSON)


CALL = ToolSignature("add", {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}, "tools.0")
MARKS = ("<tool_call>", "</tool_call>", "<think>", "</think>")


@pytest.fixture(scope="module", params=[(), MARKS], ids=["text", "control tokens"])
def marked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Return a model for which the marks are text, or control tokens."""
    path = write_model(tmp_path_factory.mktemp("marked") / "m.gguf", SHAPES["tiny"], controls=request.param)
    loaded = Engine.load(path, LoadOptions(n_ctx=1024))
    yield loaded
    loaded.close()


def follow(engine: Engine, constraint: Constraint, text: str) -> str:
    """Follow ``text`` as far as the constraint allows; return the text that it forces next."""
    for token in engine.tokenize(text, add_special=False, parse_special=True):
        assert token in constraint.allowed_tokens(), (text, engine.token_pieces([token]))
        constraint.accept(token)
    return b"".join(engine.token_pieces(constraint.forced_tokens())).decode()


def test_call_mark_in_free_text_forces_a_call(marked: Engine) -> None:
    dialect = Dialect(HERMES, native=True)
    grammar = tool_call_grammar(dialect, [CALL], required=False, parallel=False)
    forced = follow(marked, marked.constrain(grammar), "Let me see. <tool_call>")
    assert forced.startswith('\n{"name": "add", "arguments": {"a": ')
    forced = follow(marked, marked.constrain(grammar), 'Hm.<tool_call>\n{"name": "add", "arguments": {"a": 1}')
    assert forced.startswith("}\n")
    assert follow(marked, marked.constrain(grammar), "No call at all <tool") == ""


def test_thought_precedes_the_constrained_answer(marked: Engine) -> None:
    grammar = json_grammar({"const": "yes"}, "schema")
    thinking = Dialect(HERMES, thought=ThoughtSyntax("<think>", "</think>"))
    for opened, text in ((True, "Let me think."), (False, "<think>Let me think.")):
        constraint = marked.constrain(allow_thought(grammar, thinking, opened=opened))
        assert follow(marked, constraint, text) == ""
        assert follow(marked, constraint, "</think>").startswith('\n\n"yes')
    constraint = marked.constrain(allow_thought(grammar, thinking, opened=False))
    assert follow(marked, constraint, '"').startswith("yes")


def test_alternatives_with_distinct_constants_are_accepted(engine: Engine) -> None:
    def kind(name: str) -> Schema:
        properties = {"kind": {"const": name}, "more": {"type": "boolean"}}
        return {"type": "object", "properties": properties, "required": ["kind"], "additionalProperties": False}

    schema = {
        "oneOf": [{"$ref": "#/$defs/cat"}, {"$ref": "#/$defs/dog"}],
        "discriminator": {"propertyName": "kind"},
        "$defs": {"cat": kind("cat"), "dog": kind("dog")},
    }
    for seed in range(3):
        text, end, _ = reply(engine, schema, seed)
        assert end.reason == "stop"
        holds(text, schema)


def validate_generated(engine: Engine, examples: int) -> None:
    """Draw ``examples`` schemas and check a reply under each."""
    ends: list[str] = []

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(SCHEMAS)
    def answered(schema: Schema) -> None:
        try:
            text, end, _ = reply(engine, schema, len(ends))
        except RequestError as e:
            assert (e.param or "").startswith("schema")
            ends.append("refused")
            return
        assert end.error is None, (schema, end.error)
        assert end.reason in ("stop", "length")
        ends.append(end.reason)
        if end.reason == "stop":
            holds(text, schema)

    answered()
    assert ends.count("stop") > 0.7 * len(ends), {end: ends.count(end) for end in set(ends)}
    assert ends.count("refused") < 0.1 * len(ends)


def test_generated_schemas_are_followed(engine: Engine) -> None:
    validate_generated(engine, 100)


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_many_generated_schemas_are_followed(engine: Engine) -> None:
    validate_generated(engine, 1500)
