"""Key, origins, token limit, system prompt and chat template, each with a function of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.doors import ServedFunction, serving
from tests.servers.gated import gated_store

PROMPT = {"prompt": "hi", "max_tokens": 4, "seed": 1}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedFunction]:
    with serving(
        tmp_path_factory.mktemp("guarded"), API_KEY="Ünlocked-42", CORS_ORIGINS="https://a.example", MAX_TOKENS="6"
    ) as function:
        function.wait("ready")
        yield function


@pytest.mark.parametrize("path", ["/", "/chat", "/v1/chat/completions", "/v1/models", "/metrics"])
@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer no"}, {"x-api-key": ""}, {"Authorization": "Basic x"}]
)
def test_model_paths_require_key(guarded: ServedFunction, path: str, headers: dict[str, str]) -> None:
    body = PROMPT if path in ("/", "/chat", "/v1/chat/completions") else None
    status, answer = guarded.ask(path, body, headers)
    assert (status, answer["error"]["code"]) == (401, "invalid_api_key")
    assert "42" not in answer["error"]["message"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer Ünlocked-42"},
        {"x-api-key": "Ünlocked-42"},
        {"Authorization": "Bearer the-platforms-own-token", "x-api-key": "Ünlocked-42"},
    ],
)
def test_key_is_accepted_in_either_header(guarded: ServedFunction, headers: dict[str, str]) -> None:
    sent = {key: value.encode().decode("latin-1") for key, value in headers.items()}
    assert guarded.ask("/chat", PROMPT, sent)[0] == 200


@pytest.mark.parametrize("key", ["Ü", "Ünlocked-4", "nlocked-42", "Ünlocked-42x", "ünlocked-42"])
@pytest.mark.parametrize("header", ["Authorization: Bearer ", "x-api-key: "])
def test_only_the_whole_key_is_accepted(guarded: ServedFunction, header: str, key: str) -> None:
    name, scheme = header.split(": ")
    assert guarded.ask("/chat", PROMPT, {name: f"{scheme}{key.encode().decode('latin-1')}"})[0] == 401


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/events"])
def test_platform_paths_need_no_key(guarded: ServedFunction, path: str) -> None:
    assert guarded.get(path)[0] == 200


def test_ping_without_key_answers_at_once_and_starts_nothing(tmp_path: Path, tiny_model: Path) -> None:
    with gated_store(tiny_model) as (uri, gate), serving(tmp_path, MODEL_URI=uri, API_KEY="k") as function:
        status, report = function.ask("/events", {})
        assert (status, report["loaded"]) == (503, False)
        assert function.ask("/events", {}, {"x-amzn-request-context": "null"})[0] == 503, "not on Lambda"
        assert function.ask("/events", {}, {"x-api-key": "wrong"})[0] == 503
        gate.set()
        assert function.ask("/events", {}, {"x-api-key": "k"})[0] == 200, "with the key it waits"


def test_event_of_lambda_waits_without_key(tmp_path: Path, tiny_model: Path) -> None:
    with serving(tmp_path, MODEL_URI=str(tiny_model), API_KEY="k", AWS_LAMBDA_FUNCTION_NAME="f") as function:
        assert function.ask("/events", {}, {"x-amzn-request-context": "null"})[0] == 200


def test_cors_headers_are_for_allowed_origins_only(guarded: ServedFunction) -> None:
    ask = {"Access-Control-Request-Method": "POST"}
    status, headers, _ = guarded.exchange("/chat", None, ask | {"Origin": "https://a.example"}, method="OPTIONS")
    assert status == 200
    assert headers["access-control-allow-origin"] == "https://a.example"
    assert "x-api-key" in headers["access-control-allow-headers"]
    ask |= {"Access-Control-Request-Headers": "authorization,x-stainless-lang"}  # OpenAI's client adds its own
    _, headers, _ = guarded.exchange("/chat", None, ask | {"Origin": "https://a.example"}, method="OPTIONS")
    assert headers["access-control-allow-headers"] == "authorization,x-stainless-lang"
    _, headers, _ = guarded.exchange("/chat", PROMPT, {"Origin": "https://b.example"})
    assert "access-control-allow-origin" not in headers


def test_max_tokens_setting_ends_reply_with_length(guarded: ServedFunction) -> None:
    body = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 100, "ignore_eos": True}
    key = {"x-api-key": "Ünlocked-42".encode().decode("latin-1")}
    answer = guarded.ask("/v1/chat/completions", body, key)[1]
    assert answer["usage"]["completion_tokens"] == 6
    assert answer["choices"][0]["finish_reason"] == "length"


def test_cors_headers_are_absent_without_origins(tmp_path: Path) -> None:
    with serving(tmp_path) as function:
        _, headers, _ = function.exchange("/health/live", None, {"Origin": "https://a.example"})
        assert "access-control-allow-origin" not in headers


def test_system_prompt_begins_conversations_without_one(tmp_path: Path, tiny_model: Path) -> None:
    user = {"role": "user", "content": "hi"}
    own = {"role": "system", "content": "be brief"}

    def tokens(function: ServedFunction, *messages: dict[str, str]) -> int:
        answer = function.ask("/v1/chat/completions", {"messages": messages, "max_tokens": 1})[1]
        return int(answer["usage"]["prompt_tokens"])

    prompt = tmp_path / "prompt.txt"
    prompt.write_text("be brief")
    for value in ("be brief", prompt.as_uri()):
        with serving(tmp_path, MODEL_URI=str(tiny_model), SYSTEM_PROMPT=value) as function:
            assert tokens(function, user) == tokens(function, own, user)
    with serving(tmp_path, MODEL_URI=str(tiny_model)) as function:
        assert tokens(function, user) < tokens(function, own, user)


def test_chat_template_is_a_name_text_uri_or_path(tmp_path: Path, tiny_model: Path) -> None:
    text = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    file = tmp_path / "template.jinja"
    file.write_text(text)
    answers = []
    for value in ("llama2", text, file.as_uri(), str(file)):
        with serving(tmp_path, MODEL_URI=str(tiny_model), CHAT_TEMPLATE=value) as function:
            answers.append(function.ask("/chat", PROMPT)[1])
    assert answers[1] == answers[2] == answers[3] != answers[0]


def test_chat_template_with_mistyped_name_is_rejected(tmp_path: Path, tiny_model: Path) -> None:
    with serving(tmp_path, MODEL_URI=str(tiny_model), CHAT_TEMPLATE="chatmll") as function:
        error = function.wait("failed")["error"]
    assert error["param"] == "CHAT_TEMPLATE"
    assert "'chatmll'" in error["message"]
    assert "chatml," in error["message"]


def test_chat_template_missing_in_file_is_chosen_and_logged(tmp_path: Path) -> None:
    from tools.models import write_model
    from tools.shapes import Shape

    llama2 = Shape("llama2", 2, 64, 2, 2, 160, 32_000, 2048, tokenizer="spm", tied=False, template=False)
    model = write_model(tmp_path / "m.gguf", llama2)
    with serving(tmp_path, MODEL_URI=str(model)) as function:
        assert function.ask("/chat", PROMPT)[0] == 200
        assert "template" in function.log.read_text()
