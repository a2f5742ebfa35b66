"""/v1/completions: a prompt without a template."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.servers.doors import ServedFunction, Stream, serving

PATH = "/v1/completions"
PROMPT = "One two three, 日本 and so on: "
SEEDED: dict[str, Any] = {"prompt": PROMPT, "seed": 7, "max_tokens": 24, "temperature": 1.0, "ignore_eos": True}


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[ServedFunction]:
    with serving(tmp_path_factory.mktemp("completions"), MODEL_URI=str(tiny_model)) as running:
        running.wait("ready")
        yield running


def ask(function: ServedFunction, **fields: Any) -> Any:
    status, answer = function.ask(PATH, SEEDED | fields)
    assert status == 200, answer
    return answer


def choice(function: ServedFunction, **fields: Any) -> Any:
    (only,) = ask(function, **fields)["choices"]
    return only


def streamed(function: ServedFunction, **fields: Any) -> list[Any]:
    with Stream(function, SEEDED | fields | {"stream": True}, PATH) as stream:
        lines = [line[6:] for line in stream.rest() if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def test_completion_for_openai_client(function: ServedFunction) -> None:
    with openai.OpenAI(base_url=f"{function.url}/v1", api_key="none", max_retries=0) as client:
        asked: dict[str, Any] = {"model": "any", "prompt": PROMPT, "seed": 7, "max_tokens": 12, "logprobs": 2}
        whole = client.completions.create(**asked)
        assert whole.object == "text_completion"
        assert whole.model == "tiny random"
        assert whole.usage is not None
        (got,) = whole.choices
        assert got.logprobs is not None
        assert got.logprobs.tokens is not None
        chunks = list(client.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
        assert (
            chunks[-1].usage
            == whole.usage.model_copy(update={"prompt_tokens_details": chunks[-1].usage.prompt_tokens_details})
            if chunks[-1].usage
            else False
        )
        assert "".join(chunk.choices[0].text for chunk in chunks[:-1]) == got.text
        assert chunks[-2].choices[0].finish_reason == got.finish_reason
        tokens = [chunk.choices[0].logprobs.tokens or [] for chunk in chunks[:-1] if chunk.choices[0].logprobs]
        assert list(itertools.chain.from_iterable(tokens)) == got.logprobs.tokens


def test_prompt_as_text_tokens_or_single_list_is_the_same(function: ServedFunction) -> None:
    tokens = function.ask("/tokenize", {"content": PROMPT, "add_special": True})[1]["tokens"]
    expected = choice(function)
    for prompt in ([PROMPT], tokens, [tokens]):
        assert choice(function, prompt=prompt) == expected


def test_prompt_gets_no_template(function: ServedFunction) -> None:
    tokens = function.ask("/tokenize", {"content": PROMPT, "add_special": True})[1]["tokens"]
    assert ask(function)["usage"]["prompt_tokens"] == len(tokens)


def test_max_tokens_default_is_sixteen(function: ServedFunction) -> None:
    fields = {key: value for key, value in SEEDED.items() if key != "max_tokens"}
    answer = function.ask(PATH, fields)[1]
    assert answer["usage"]["completion_tokens"] == 16
    assert answer["choices"][0]["finish_reason"] == "length"


def test_echo_puts_prompt_before_completion(function: ServedFunction) -> None:
    text = choice(function)["text"]
    assert choice(function, echo=True)["text"] == PROMPT + text
    assert choice(function, echo=True, max_tokens=0) == {
        "text": PROMPT,
        "index": 0,
        "logprobs": None,
        "finish_reason": "length",
    }
    chunks = streamed(function, echo=True)
    assert chunks[0]["choices"][0]["text"] == PROMPT
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks) == PROMPT + text


def test_stop_strings_ignore_echo(function: ServedFunction) -> None:
    text = choice(function)["text"]
    stop = text[8:12]
    got = choice(function, echo=True, stop=["One", stop])
    assert got["text"] == PROMPT + text[: text.index(stop)]
    assert got["finish_reason"] == "stop"


def test_logprobs_have_tokens_offsets_and_alternatives(function: ServedFunction) -> None:
    got = choice(function, logprobs=3)
    answer = got["logprobs"]
    assert {len(column) for column in answer.values()} == {24}
    for token, logprob, top in zip(answer["tokens"], answer["token_logprobs"], answer["top_logprobs"], strict=True):
        assert top[token] >= logprob
        assert 3 <= len(top) <= 4
        assert sorted(top.values(), reverse=True)[0] >= logprob
    assert answer["text_offset"][0] == 0
    for token, offset in zip(answer["tokens"], answer["text_offset"], strict=True):
        if not token.startswith("bytes:"):
            assert got["text"].startswith(token, offset)
    assert [list(top) for top in choice(function, logprobs=0)["logprobs"]["top_logprobs"]] == [
        [token] for token in answer["tokens"]
    ]


def test_echo_with_logprobs_includes_prompt(function: ServedFunction) -> None:
    text = choice(function, logprobs=2)
    tokens = function.ask("/tokenize", {"content": PROMPT, "add_special": True})[1]["tokens"]
    both = choice(function, logprobs=2, echo=True)
    answer = both["logprobs"]
    assert answer["token_logprobs"][0] is None
    assert answer["top_logprobs"][0] is None
    assert len(answer["tokens"]) == len(tokens) + 24
    assert answer["tokens"][len(tokens) :] == text["logprobs"]["tokens"]
    for token, offset in zip(answer["tokens"], answer["text_offset"], strict=True):
        if not token.startswith("bytes:"):
            assert both["text"].startswith(token, offset)

    chunks = streamed(function, echo=True, logprobs=2)
    joined = list(itertools.chain.from_iterable(chunk["choices"][0]["logprobs"]["tokens"] for chunk in chunks))
    assert joined == answer["tokens"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": []}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": 7}, "prompt"),
        ({"prompt": [1 << 30]}, "prompt"),
        ({"prompt": [-1]}, "prompt.0"),
        ({"prompt": "word " * 4000}, "prompt"),
        ({"suffix": "end"}, "suffix"),
        ({"best_of": 2}, "best_of"),
        ({"n": 9}, "n"),
        ({"prompt": [1, ["a"]]}, "prompt"),
        ({"prompt": ["a"] * 129}, "prompt"),
        ({"logprobs": 6}, "logprobs"),
        ({"logprobs": True}, "logprobs"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": -2, "echo": True}, "max_tokens"),
        ({"stream": "yes"}, "stream"),
        ({"messages": []}, "messages"),
    ],
)
def test_unsupported_field_is_400_that_names_it(function: ServedFunction, fields: dict[str, Any], param: str) -> None:
    status, answer = function.ask(PATH, SEEDED | fields)
    assert (status, answer["error"]["param"]) == (400, param), answer
