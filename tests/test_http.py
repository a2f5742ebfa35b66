"""What requests get, good and bad, from one running function."""

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest

from tests.servers.doors import ServedFunction, Stream, serving

USER = {"role": "user", "content": "hi"}
SEEDED: dict[str, Any] = {"messages": [USER], "seed": 7, "max_tokens": 24}
ENDLESS: dict[str, Any] = {"messages": [USER], "ignore_eos": True, "stream": True}
LONG_PROMPT: dict[str, Any] = {"messages": [{"role": "user", "content": "word " * 1500}], "stream": True}


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory, slow_model: Path) -> Iterator[ServedFunction]:
    with serving(tmp_path_factory.mktemp("http"), MODEL_URI=str(slow_model), QUEUE_SIZE="1", N_CTX="8192") as running:
        running.wait("ready")
        yield running


@pytest.fixture
def client(function: ServedFunction) -> Iterator[openai.OpenAI]:
    function.idle()
    with openai.OpenAI(base_url=f"{function.url}/v1", api_key="none", max_retries=0) as made:
        yield made


# What a client of OpenAI's API sees.


def test_the_openai_client_gets_a_whole_reply(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(
        model="any",
        messages=[{"role": "user", "content": "hi"}],
        seed=7,
        max_tokens=12,
        extra_body={"ignore_eos": True},
    )
    assert reply.choices[0].message.content
    assert reply.choices[0].finish_reason == "length"
    assert reply.model == "random-slow"
    assert reply.usage is not None
    assert reply.usage.completion_tokens == 12
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + 12


def test_the_openai_client_gets_the_same_reply_streamed(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": "any", "messages": [USER], "seed": 7, "max_tokens": 12}
    whole = client.chat.completions.create(**asked)
    chunks = list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]) == whole.choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens if whole.usage else False
    assert chunks[-2].choices[0].finish_reason == whole.choices[0].finish_reason
    assert len({chunk.id for chunk in chunks}) == 1


def test_the_openai_client_sends_a_reply_back_in_the_next_turn(client: openai.OpenAI) -> None:
    messages: list[Any] = [USER]
    messages.append(client.chat.completions.create(model="any", messages=messages, max_tokens=4).choices[0].message)
    messages.append(USER)
    assert client.chat.completions.create(model="any", messages=messages, max_tokens=4).choices[0].finish_reason


def test_without_include_usage_a_stream_has_none(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model="x", messages=[{"role": "user", "content": "hi"}], max_tokens=4, stream=True
    )
    assert all(chunk.usage is None and chunk.choices for chunk in stream)


def test_the_openai_client_lists_the_true_model(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["random-slow"]
    assert client.models.retrieve("whatever").id == "random-slow"


def test_stop_strings_end_a_reply_and_stay_out_of_it(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": "x", "messages": [USER], "seed": 7, "max_tokens": 40}
    text = client.chat.completions.create(**asked).choices[0].message.content or ""
    stop = text[len(text) // 2 : len(text) // 2 + 4]
    reply = client.chat.completions.create(**asked, stop=[stop]).choices[0]
    assert reply.message.content == text[: text.index(stop)]
    assert reply.finish_reason == "stop"


def test_a_seed_repeats_and_no_seed_varies(client: openai.OpenAI) -> None:
    def text(seed: int | None) -> str | None:
        reply = client.chat.completions.create(
            model="x", messages=[{"role": "user", "content": "hi"}], seed=seed, max_tokens=24
        )
        return reply.choices[0].message.content

    assert text(1) == text(1)
    assert len({text(1), text(2), text(None), text(None)}) == 4


def test_the_same_seed_gives_the_same_reply_after_any_history(function: ServedFunction) -> None:
    asked = {**SEEDED, "messages": [{"role": "user", "content": "one two three " * 20}]}
    path = "/v1/chat/completions"
    first = function.ask(path, asked)[1]["choices"]
    function.ask(path, {**SEEDED, "messages": [{"role": "user", "content": "one two three " * 10}], "seed": None})
    longer = [*asked["messages"], first[0]["message"] | {}, USER]
    longer[1] = {"role": "assistant", "content": first[0]["message"]["content"]}
    function.ask(path, {**asked, "messages": longer, "seed": None})
    assert function.ask(path, asked)[1]["choices"] == first
    function.ask(path, SEEDED)
    assert function.ask(path, asked)[1]["choices"] == first


def test_the_next_turn_reuses_the_conversation(function: ServedFunction) -> None:
    history: list[dict[str, str]] = [{"role": "user", "content": "a long beginning " * 20}]
    first = function.ask("/v1/chat/completions", {"messages": history, "max_tokens": 8, "seed": 3})[1]
    answer = {"role": "assistant", "content": first["choices"][0]["message"]["content"]}
    usage = function.ask("/v1/chat/completions", {"messages": [*history, answer, USER], "max_tokens": 8})[1]["usage"]
    assert usage["prompt_tokens_details"]["cached_tokens"] >= first["usage"]["prompt_tokens"] - 1


# How a prompt may be sent.


def test_a_prompt_may_be_json_a_form_or_the_query(function: ServedFunction) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    fields = {"prompt": "hi", "seed": 7, "max_tokens": 24}
    expected = function.ask("/chat", fields)
    assert expected[0] == 200
    assert function.ask("/chat", SEEDED) == expected
    assert function.ask("/", fields) == expected
    assert function.ask("/chat", json.dumps(fields).encode(), form) == expected, "curl -d calls its JSON a form"
    assert function.ask("/chat", b"prompt=hi&seed=7&max_tokens=24", form) == expected
    assert function.ask("/chat?prompt=hi&seed=7&max_tokens=24", b"") == expected


def test_plain_text_is_utf_8_and_not_cached(function: ServedFunction) -> None:
    status, headers, _ = function.exchange("/chat", SEEDED)
    assert status == 200
    assert headers["content-type"] == "text/plain; charset=utf-8"
    assert headers["cache-control"] == "no-store"


# What bad input gets.


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/chat", {}, "prompt"),
        ("/chat", {"prompt": ""}, "prompt"),
        ("/chat", {"prompt": 7}, "prompt"),
        ("/v1/chat/completions", {"messages": []}, "messages"),
        ("/v1/chat/completions", {"messages": [{"role": "robot", "content": "x"}]}, "messages.0.role"),
        ("/v1/chat/completions", {**SEEDED, "temperature": 1000}, "temperature"),
        ("/v1/chat/completions", {**SEEDED, "logit_bias": {"999999": 1}}, "logit_bias"),
        ("/v1/chat/completions", {**SEEDED, "logit_bias": {"999999": 1}, "stream": True}, "logit_bias"),
        ("/v1/chat/completions", {**SEEDED, "tools": [{}]}, "tools.0.type"),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "word " * 9000}]}, "messages"),
        (
            "/v1/chat/completions",
            {"messages": [{"role": "user", "content": "word " * 9000}], "stream": True},
            "messages",
        ),
    ],
)
def test_a_wrong_field_is_a_400_that_names_it(function: ServedFunction, path: str, body: object, param: str) -> None:
    status, told = function.ask(path, body)
    assert status == 400, told
    assert told["error"]["type"] == "invalid_request_error"
    assert told["error"]["param"] == param


def test_a_prompt_longer_than_the_context_is_told_both_numbers(function: ServedFunction) -> None:
    _, told = function.ask("/chat", {"prompt": "word " * 9000})
    assert told["error"]["code"] == "context_length_exceeded"
    assert "8192" in told["error"]["message"]
    assert any(int(word) > 9000 for word in told["error"]["message"].split() if word.isdigit())


@pytest.mark.parametrize("body", [b"{", b"[]", b"nonsense", b'{"prompt": NaN}', b"\xff\xfe", b"[" * 100_000, b""])
def test_what_is_not_a_json_object_is_a_400(function: ServedFunction, body: bytes) -> None:
    status, told = function.ask("/v1/chat/completions", body)
    assert status == 400, told
    assert told["error"]["message"]


def test_a_huge_body_is_a_413(function: ServedFunction) -> None:
    status, told = function.ask("/v1/chat/completions", b'{"prompt": "' + b"x" * (5 << 20) + b'"}')
    assert (status, told["error"]["code"]) == (413, "body_too_large")


def test_a_huge_body_of_unknown_length_is_a_413(function: ServedFunction) -> None:
    with socket.create_connection((urlsplit(function.url).hostname, urlsplit(function.url).port)) as client:
        client.sendall(b"POST /chat HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.sendall(b"%x\r\n%b\r\n0\r\n\r\n" % (5 << 20, b"x" * (5 << 20)))
        assert b" 413 " in client.recv(100)


def test_a_form_may_be_as_long_as_any_body(function: ServedFunction) -> None:
    form = b'--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n%b\r\n--b--\r\n' % (b"word " * (1 << 18))
    _, _, text = function.exchange("/chat", form, {"Content-Type": "multipart/form-data; boundary=b"})
    assert json.loads(text)["error"]["code"] == "context_length_exceeded"


def test_an_unsupported_method_is_a_405_and_an_unknown_path_a_404(function: ServedFunction) -> None:
    status, headers, text = function.exchange("/chat", None, method="DELETE")
    assert (status, json.loads(text)["error"]["code"]) == (405, "method_not_allowed")
    assert "POST" in headers["allow"]
    assert function.get("/no/such/path")[0] == 404


# One at a time.


def test_the_second_waits_the_third_is_told_when_to_come_back(function: ServedFunction) -> None:
    function.idle()
    with Stream(function, ENDLESS) as first:
        first.until("data: ")
        with ThreadPoolExecutor(1) as pool:
            second = Stream(function, {**SEEDED, "stream": True})
            assert second.until(": queued") == ": queued 1"
            status, headers, text = pool.submit(function.exchange, "/chat", SEEDED).result()
            assert (status, json.loads(text)["error"]["code"]) == (429, "busy")
            assert int(headers["retry-after"]) >= 1
            assert function.get("/health/live")[0] == 200
            assert function.get("/health/ready")[0] == 200
            first.close()
            lines = second.rest()
            assert lines[-1] == "data: [DONE]"
    text = "".join(
        choice["delta"].get("content", "")
        for line in lines[:-1]
        if line.startswith("data: ")
        for choice in json.loads(line[6:])["choices"]
    )
    function.idle()
    assert text == function.ask("/chat", SEEDED)[1]


def test_neither_of_two_at_once_disturbs_the_other(function: ServedFunction) -> None:
    function.idle()
    expected = function.ask("/chat", SEEDED)
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda _: function.ask("/chat", SEEDED), range(2))) == [expected, expected]


def test_a_queued_client_that_leaves_gives_up_its_place(function: ServedFunction) -> None:
    function.idle()
    with Stream(function, ENDLESS) as first:
        first.until("data: ")
        second = Stream(function, ENDLESS)
        second.until(": queued")
        second.close()
        for _ in range(1000):
            third = Stream(function, {**SEEDED, "stream": True})
            if third.response.status == 200:
                break
            assert third.response.status == 429
            third.close()
        first.close()
        assert third.rest()[-1] == "data: [DONE]"


@pytest.mark.parametrize("how", ["close", "half-close"])
@pytest.mark.parametrize(("body", "moment"), [(LONG_PROMPT, ": prefill"), (ENDLESS, "data: {")])
def test_a_client_that_leaves_frees_the_model(
    function: ServedFunction, body: dict[str, Any], moment: str, how: str
) -> None:
    function.idle()
    expected = function.ask("/chat", SEEDED)
    stream = Stream(function, body)
    stream.until(moment)
    if how == "close":
        stream.close()
    else:
        stream.socket.shutdown(socket.SHUT_WR)
    # ENDLESS would hold the model for thousands of tokens; the next request is answered all the same.
    assert function.ask("/chat", SEEDED) == expected
    stream.close()
    function.idle()


def test_a_plain_client_that_leaves_during_prefill_frees_the_model(function: ServedFunction) -> None:
    function.idle()
    expected = function.ask("/chat", SEEDED)
    address = urlsplit(function.url)
    data = json.dumps({"prompt": "word " * 1500, "ignore_eos": True}).encode()
    with socket.create_connection((address.hostname or "", address.port or 0)) as plain:
        plain.sendall(b"POST /chat HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
        waited = threading.Event()
        while not function.get("/events")[1]["busy"]:
            waited.wait(0.01)
    assert function.ask("/chat", SEEDED) == expected


def test_a_head_request_holds_nothing(function: ServedFunction) -> None:
    for path in ("/v1/models", "/health/live"):
        assert function.exchange(path, None, method="HEAD")[0] == 200
    function.idle()


# Health and warmth.


def test_a_warmup_event_proves_warmth_and_is_no_traffic(function: ServedFunction) -> None:
    function.idle()
    with Stream(function, ENDLESS) as stream:
        stream.until("data: ")
        status, told = function.ask("/events", {"source": "aws.events", "detail-type": "Scheduled Event"})
        assert status == 200
        assert told["first_token"] is True
        assert told["loaded"] is True
        assert told["busy"] is True
        assert told["age_seconds"] > 0
        assert stream.until("data: ")
