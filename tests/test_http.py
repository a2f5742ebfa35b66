"""Valid and invalid requests to one running function."""

import json
import re
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


# OpenAI's API.


def test_reply_whole_for_openai_client(client: openai.OpenAI) -> None:
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


def test_stream_equals_whole_reply_for_openai_client(client: openai.OpenAI) -> None:
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


def test_reply_is_accepted_in_next_request_of_openai_client(client: openai.OpenAI) -> None:
    messages: list[Any] = [USER]
    messages.append(client.chat.completions.create(model="any", messages=messages, max_tokens=4).choices[0].message)
    messages.append(USER)
    assert client.chat.completions.create(model="any", messages=messages, max_tokens=4).choices[0].finish_reason


def test_stream_without_include_usage_has_no_usage(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model="x", messages=[{"role": "user", "content": "hi"}], max_tokens=4, stream=True
    )
    assert all(chunk.usage is None and chunk.choices for chunk in stream)


def test_models_list_has_true_name(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["random-slow"]
    assert client.models.retrieve("any").id == "random-slow"


def test_stop_string_ends_reply_and_is_not_part_of_it(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": "x", "messages": [USER], "seed": 7, "max_tokens": 40}
    text = client.chat.completions.create(**asked).choices[0].message.content or ""
    stop = text[len(text) // 2 : len(text) // 2 + 4]
    reply = client.chat.completions.create(**asked, stop=[stop]).choices[0]
    assert reply.message.content == text[: text.index(stop)]
    assert reply.finish_reason == "stop"


def test_seed_repeats_reply_and_its_absence_varies_it(client: openai.OpenAI) -> None:
    def text(seed: int | None) -> str | None:
        reply = client.chat.completions.create(
            model="x", messages=[{"role": "user", "content": "hi"}], seed=seed, max_tokens=24
        )
        return reply.choices[0].message.content

    assert text(1) == text(1)
    assert len({text(1), text(2), text(None), text(None)}) == 4


def test_seed_repeats_reply_after_any_history(function: ServedFunction) -> None:
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


def test_next_request_reuses_cached_conversation(function: ServedFunction) -> None:
    history: list[dict[str, str]] = [{"role": "user", "content": "a long beginning " * 20}]
    first = function.ask("/v1/chat/completions", {"messages": history, "max_tokens": 8, "seed": 3})[1]
    answer = {"role": "assistant", "content": first["choices"][0]["message"]["content"]}
    usage = function.ask("/v1/chat/completions", {"messages": [*history, answer, USER], "max_tokens": 8})[1]["usage"]
    assert usage["prompt_tokens_details"]["cached_tokens"] >= first["usage"]["prompt_tokens"] - 1


# Forms of a prompt.


def test_prompt_may_be_json_form_or_query(function: ServedFunction) -> None:
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


# Invalid input.


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
def test_wrong_field_is_400_that_names_it(function: ServedFunction, path: str, body: object, param: str) -> None:
    status, answer = function.ask(path, body)
    assert status == 400, answer
    assert answer["error"]["type"] == "invalid_request_error"
    assert answer["error"]["param"] == param


def test_context_overflow_error_has_both_numbers(function: ServedFunction) -> None:
    _, answer = function.ask("/chat", {"prompt": "word " * 9000})
    assert answer["error"]["code"] == "context_length_exceeded"
    assert "8192" in answer["error"]["message"]
    assert any(int(word) > 9000 for word in answer["error"]["message"].split() if word.isdigit())


@pytest.mark.parametrize("body", [b"{", b"[]", b"nonsense", b'{"prompt": NaN}', b"\xff\xfe", b"[" * 100_000, b""])
def test_invalid_json_is_400(function: ServedFunction, body: bytes) -> None:
    status, answer = function.ask("/v1/chat/completions", body)
    assert status == 400, answer
    assert answer["error"]["message"]


def test_huge_body_is_413(function: ServedFunction) -> None:
    status, answer = function.ask("/v1/chat/completions", b'{"prompt": "' + b"x" * (5 << 20) + b'"}')
    assert (status, answer["error"]["code"]) == (413, "body_too_large")


def test_huge_body_of_unknown_length_is_413(function: ServedFunction) -> None:
    with socket.create_connection((urlsplit(function.url).hostname, urlsplit(function.url).port)) as client:
        client.sendall(b"POST /chat HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.sendall(b"%x\r\n%b\r\n0\r\n\r\n" % (5 << 20, b"x" * (5 << 20)))
        assert b" 413 " in client.recv(100)


def test_form_may_be_as_long_as_any_body(function: ServedFunction) -> None:
    form = b'--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n%b\r\n--b--\r\n' % (b"word " * (1 << 18))
    _, _, text = function.exchange("/chat", form, {"Content-Type": "multipart/form-data; boundary=b"})
    assert json.loads(text)["error"]["code"] == "context_length_exceeded"


def test_unsupported_method_is_405_and_unknown_path_404(function: ServedFunction) -> None:
    status, headers, text = function.exchange("/chat", None, method="DELETE")
    assert (status, json.loads(text)["error"]["code"]) == (405, "method_not_allowed")
    assert "POST" in headers["allow"]
    assert function.get("/no/such/path")[0] == 404


# Queue.


def test_queue_holds_second_request_and_rejects_third_with_retry_after(function: ServedFunction) -> None:
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
        choice["delta"].get("content") or ""
        for line in lines[:-1]
        if line.startswith("data: ")
        for choice in json.loads(line[6:])["choices"]
    )
    function.idle()
    assert text == function.ask("/chat", SEEDED)[1]


def test_simultaneous_requests_get_undisturbed_replies(function: ServedFunction) -> None:
    function.idle()
    expected = function.ask("/chat", SEEDED)
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda _: function.ask("/chat", SEEDED), range(2))) == [expected, expected]


def test_queued_client_that_leaves_frees_its_place(function: ServedFunction) -> None:
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


@pytest.mark.parametrize("progress", ["1", "0"])
@pytest.mark.parametrize(("body", "moment"), [(LONG_PROMPT, ": prefill"), (ENDLESS, "data: {")])
def test_client_that_leaves_frees_model(
    function: ServedFunction, body: dict[str, Any], moment: str, progress: str
) -> None:
    function.idle()
    expected = function.ask("/chat", SEEDED)
    stream = Stream(function, body | {"stream_options": {"include_progress": progress == "1"}})
    if progress == "1":
        stream.until(moment)
    else:
        function.arrived()
    assert function.get("/slots")[1][0]["is_processing"] is True
    stream.close()
    # ENDLESS would hold the model for thousands of tokens; the next request is answered nevertheless.
    assert function.ask("/chat", SEEDED) == expected
    function.idle()


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/chat"])
def test_client_that_only_ends_its_sending_gets_its_reply(function: ServedFunction, path: str, stream: bool) -> None:
    body = {"messages": [{"role": "user", "content": "word " * 600}], "seed": 7, "max_tokens": 20, "stream": stream}
    expected = function.ask(path, body)[1]
    function.ask("/chat", SEEDED)  # another conversation, so that the prompt is computed again
    with Stream(function, body, path, half_close=True) as sent:
        text = sent.response.read().decode()
    if isinstance(expected, dict):
        assert json.loads(text)["choices"] == expected["choices"]
    elif path == "/chat":
        assert text == expected
    else:
        assert text.endswith("data: [DONE]\n\n")
        assert re.findall('"content":"(.*?)"', text) == re.findall('"content":"(.*?)"', expected)


def test_whole_reply_keeps_its_connection_alive_on_request(function: ServedFunction) -> None:
    function.idle()
    body = {"messages": [{"role": "user", "content": "word " * 1200}], "max_tokens": 20, "ignore_eos": True, "seed": 1}
    expected = function.ask("/v1/chat/completions", body)[1]["choices"]
    function.ask("/chat", SEEDED)
    with Stream(function, ENDLESS) as first:
        first.until("data: ")
        sent = Stream(function, body, headers={"X-Keep-Alive": "0.1"})
        assert sent.response.status == 200, "it begins while the other request has the model"
        assert sent.response.headers["Content-Type"] == "application/json"
        assert sent.response.read(2) == b"  "
        first.close()
        text = sent.response.read().decode()
        sent.close()
    assert json.loads(text)["choices"] == expected


def test_error_before_the_first_space_has_its_status(function: ServedFunction) -> None:
    status, _, text = function.exchange("/v1/chat/completions", {"messages": []}, {"X-Keep-Alive": "0.1"})
    assert (status, json.loads(text)["error"]["param"]) == (400, "messages")
    status, headers, text = function.exchange("/v1/chat/completions", SEEDED, {"X-Keep-Alive": "30"})
    assert status == 200
    assert json.loads(text)["choices"]
    assert "content-length" in headers


def test_plain_client_that_leaves_during_prefill_frees_model(function: ServedFunction) -> None:
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


def test_head_request_holds_no_place(function: ServedFunction) -> None:
    for path in ("/v1/models", "/health/live"):
        assert function.exchange(path, None, method="HEAD")[0] == 200
    function.idle()


# Health and warmth.


def test_warmup_event_reports_warmth_and_takes_no_place(function: ServedFunction) -> None:
    function.idle()
    with Stream(function, ENDLESS) as stream:
        stream.until("data: ")
        status, answer = function.ask("/events", {"source": "aws.events", "detail-type": "Scheduled Event"})
        assert status == 200
        assert answer["first_token"] is True
        assert answer["loaded"] is True
        assert answer["busy"] is True
        assert answer["age_seconds"] > 0
        assert stream.until("data: ")
