"""Several choices and several prompts in one request: one after the other, from the same cached prefix."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.servers.doors import ServedFunction, Stream, serving

CHAT = "/v1/chat/completions"
TEXT = "/v1/completions"
LONG = "One two three four five six seven. " * 12
MESSAGES = [{"role": "user", "content": LONG}]
ASK: dict[str, Any] = {"messages": MESSAGES, "max_tokens": 6, "ignore_eos": True}


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[ServedFunction]:
    with serving(tmp_path_factory.mktemp("choices"), MODEL_URI=str(tiny_model), QUEUE_SIZE="0") as running:
        running.wait("ready")
        yield running


def ask(function: ServedFunction, path: str, **fields: Any) -> Any:
    status, answer = function.ask(path, fields)
    assert status == 200, answer
    return answer


def test_choices_have_indexes_and_prompt_counts_once(function: ServedFunction) -> None:
    one = ask(function, CHAT, **ASK)
    reply = ask(function, CHAT, **ASK, n=8)
    assert [choice["index"] for choice in reply["choices"]] == list(range(8))
    assert all(choice["finish_reason"] == "length" for choice in reply["choices"])
    assert reply["usage"]["prompt_tokens"] == one["usage"]["prompt_tokens"]
    assert reply["usage"]["completion_tokens"] == 48
    assert reply["usage"]["total_tokens"] == reply["usage"]["prompt_tokens"] + 48


def test_reply_with_choices_has_a_receipt_on_request(function: ServedFunction) -> None:
    status, answer = function.ask(CHAT, ASK | {"n": 2}, {"X-Receipt": "1"})
    assert status == 200
    assert answer["receipt"]["tokens"]["completion"] == 12


def test_choices_of_a_seed_differ_and_repeat(function: ServedFunction) -> None:
    seeded = ASK | {"seed": 7, "temperature": 1.0}
    first = ask(function, CHAT, **seeded, n=3)["choices"]
    texts = [choice["message"]["content"] for choice in first]
    assert len(set(texts)) == 3
    assert texts[0] == ask(function, CHAT, **seeded)["choices"][0]["message"]["content"]
    assert [choice["message"]["content"] for choice in ask(function, CHAT, **seeded, n=3)["choices"]] == texts


def test_further_choices_read_the_prompt_from_the_cache(function: ServedFunction) -> None:
    fresh = [{"role": "user", "content": "Something that no other test asks. " * 9}]
    body = ASK | {"messages": fresh, "n": 3, "stream": True, "return_progress": True, "temperature": 0}
    with Stream(function, body, CHAT) as stream:
        chunks = [json.loads(line[6:]) for line in stream.rest() if line.startswith("data: {")]
    reports = [chunk["prompt_progress"] for chunk in chunks if "prompt_progress" in chunk]
    starts = [report for report in reports if report["processed"] == report["cache"]]
    assert len(starts) == 3
    assert starts[0]["cache"] < starts[1]["cache"]
    assert starts[1]["cache"] == starts[2]["cache"] >= starts[1]["total"] - 1


def test_streamed_choices_come_in_order_and_equal_whole_ones(function: ServedFunction) -> None:
    seeded: dict[str, Any] = {"messages": MESSAGES, "max_tokens": 6, "seed": 3, "temperature": 1.0, "n": 3}
    whole = [choice["message"]["content"] for choice in ask(function, CHAT, **seeded)["choices"]]
    with openai.OpenAI(base_url=f"{function.url}/v1", api_key="none", max_retries=0) as client:
        events = list(
            client.chat.completions.create(model="m", **seeded, stream=True, stream_options={"include_usage": True})
        )
    *chunks, counted = events
    assert counted.usage is not None
    assert counted.usage.completion_tokens <= 18
    assert len({chunk.id for chunk in events}) == 1
    for index, chunks_of_one in itertools.groupby(chunks, lambda chunk: chunk.choices[0].index):
        choices = [chunk.choices[0] for chunk in chunks_of_one]
        assert choices[0].delta.role == "assistant"
        assert "".join(choice.delta.content or "" for choice in choices) == whole[index]
        assert choices[-1].finish_reason is not None


def test_each_prompt_gets_its_choices(function: ServedFunction) -> None:
    tokens = function.ask("/tokenize", {"content": "third", "add_special": True})[1]["tokens"]
    prompts = ["first", "second", tokens]
    reply = ask(function, TEXT, prompt=prompts, n=2, max_tokens=3, echo=True, ignore_eos=True)
    assert [choice["index"] for choice in reply["choices"]] == list(range(6))
    begins = ["first", "first", "second", "second", "third", "third"]
    assert all(choice["text"].startswith(begin) for choice, begin in zip(reply["choices"], begins, strict=True))
    singles = [ask(function, TEXT, prompt=prompt, max_tokens=1)["usage"]["prompt_tokens"] for prompt in prompts]
    assert reply["usage"]["prompt_tokens"] == sum(singles)
    assert reply["usage"]["completion_tokens"] == 18


def test_prompts_equal_those_of_single_requests(function: ServedFunction) -> None:
    common: dict[str, Any] = {"max_tokens": 5, "temperature": 0, "logprobs": 2}
    reply = ask(function, TEXT, prompt=["alpha", "beta"], **common)
    for choice, prompt in zip(reply["choices"], ["alpha", "beta"], strict=True):
        (single,) = ask(function, TEXT, prompt=prompt, **common)["choices"]
        assert choice | {"index": 0} == single


def test_one_prompt_at_fault_rejects_the_request(function: ServedFunction) -> None:
    status, answer = function.ask(TEXT, {"prompt": ["fine", "word " * 4000], "stream": True})
    assert (status, answer["error"]["code"]) == (400, "context_length_exceeded")
    assert answer["error"]["n_prompt_tokens"] > answer["error"]["n_ctx"]


def test_stop_string_ends_each_choice(function: ServedFunction) -> None:
    text = ask(function, CHAT, **ASK, seed=1)["choices"][0]["message"]["content"]
    reply = ask(function, CHAT, **ASK, seed=1, n=2, stop=[text[2:4]])
    first, second = (choice["message"]["content"] for choice in reply["choices"])
    assert first == text[: text.index(text[2:4])]
    assert text[2:4] not in second


def test_schema_holds_for_each_choice(function: ServedFunction) -> None:
    reply = ask(function, CHAT, messages=MESSAGES, n=3, json_schema={"enum": ["a", "b"]}, max_tokens=9)
    assert {choice["message"]["content"] for choice in reply["choices"]} <= {'"a"', '"b"'}


def test_queue_is_free_after_the_last_choice(function: ServedFunction) -> None:
    ask(function, CHAT, **ASK, n=2)
    function.idle()
    assert function.ask(CHAT, ASK)[0] == 200


@pytest.mark.parametrize("fields", [{"n": 0}, {"n": 9}, {"n": "2"}])
def test_number_of_choices_has_limits(function: ServedFunction, fields: dict[str, Any]) -> None:
    status, answer = function.ask(CHAT, ASK | fields)
    assert (status, answer["error"]["param"]) == (400, "n")
