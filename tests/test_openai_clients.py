"""Clients of OpenAI's API at every server: OpenAI's own, and an unrelated one."""

import itertools
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from huggingface_hub import ChatCompletionInputStreamOptions, InferenceClient

from tests.servers.doors import DOORS, ServedFunction, serving

KEY = "open sesame"
MESSAGES: list[Any] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello!"}]
CHAT: dict[str, Any] = {"messages": MESSAGES, "model": "any", "seed": 7, "max_tokens": 12, "temperature": 1.0}
ALTERNATIVES: dict[str, Any] = {"logprobs": True, "top_logprobs": 3}
TEXT: dict[str, Any] = {"prompt": "One two three", "model": "any", "seed": 7, "max_tokens": 12, "echo": True}


@pytest.fixture(scope="module", params=DOORS)
def function(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedFunction]:
    with serving(tmp_path_factory.mktemp("clients"), request.param, API_KEY=KEY) as running:
        running.wait("ready")
        yield running


@pytest.fixture(scope="module")
def client(function: ServedFunction) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{function.url}/v1", api_key=KEY, max_retries=0) as made:
        yield made


def test_openai_client_chats(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(**CHAT, **ALTERNATIVES).choices[0]
    chunks = list(
        client.chat.completions.create(**CHAT, **ALTERNATIVES, stream=True, stream_options={"include_usage": True})
    )
    *pieces, counted = chunks
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == whole.message.content
    assert counted.usage is not None
    assert counted.usage.completion_tokens <= 12
    assert whole.logprobs is not None
    entries = whole.logprobs.content or []
    chunks_logprobs = [piece.choices[0].logprobs for piece in pieces]
    streamed = list(itertools.chain.from_iterable(logprobs.content or [] for logprobs in chunks_logprobs if logprobs))
    assert streamed == entries
    assert all(len(entry.top_logprobs) == 3 for entry in entries)
    data = bytes(itertools.chain.from_iterable(entry.bytes or [] for entry in entries))
    assert data.decode(errors="replace") == whole.message.content


def test_openai_client_completes(client: openai.OpenAI) -> None:
    whole = client.completions.create(**TEXT, logprobs=2).choices[0]
    assert whole.text.startswith("One two three")
    chunks = list(client.completions.create(**TEXT, logprobs=2, stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == whole.text
    assert chunks[-1].choices[0].finish_reason == whole.finish_reason
    assert whole.logprobs is not None
    assert whole.logprobs.token_logprobs is not None
    assert whole.logprobs.token_logprobs[0] is None


def test_openai_client_lists_models(client: openai.OpenAI) -> None:
    (model,) = client.models.list()
    assert client.models.retrieve("anything").id == model.id


def test_openai_client_raises_errors(client: openai.OpenAI, function: ServedFunction) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(**CHAT, n=9)
    assert refused.value.param == "n"
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="wrong").models.list()


def test_huggingface_client_chats(function: ServedFunction) -> None:
    client = InferenceClient(base_url=f"{function.url}/v1", api_key=KEY)
    asked = {key: value for key, value in CHAT.items() if key != "model"}
    whole = client.chat_completion(**asked, **ALTERNATIVES)
    (choice,) = whole.choices
    assert whole.usage.completion_tokens <= 12
    assert choice.logprobs is not None
    assert len(choice.logprobs.content[0].top_logprobs) == 3
    usage = ChatCompletionInputStreamOptions(include_usage=True)
    pieces = list(client.chat_completion(**asked, stream=True, stream_options=usage))
    text = "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
    assert text == choice.message.content
    assert pieces[-1].usage is not None
    assert pieces[-2].choices[0].finish_reason == choice.finish_reason
