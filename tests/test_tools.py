"""Tools, thoughts and template variables through a real door, for models of several dialects."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import openai
import pydantic
import pytest

from function.engine import RESERVED_VARIABLES
from tests.servers.doors import ServedFunction, serving
from tools.models import write_model
from tools.shapes import SHAPES

PATH = "/v1/chat/completions"
USER = {"role": "user", "content": "What is the weather?"}
CHATML = "{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}"
HERMES = (
    "{% if tools %}<|im_start|>system\n{% for t in tools %}{{ t | tojson }}\n{% endfor %}<|im_end|>\n{% endif %}"
    "{% for m in messages %}{% if m.tool_calls %}<|im_start|>assistant\n"
    '{% for c in m.tool_calls %}<tool_call>\n{"name": "{{ c.function.name }}", "arguments": '
    "{{ c.function.arguments | tojson }}}\n</tool_call>{% endfor %}<|im_end|>\n"
    "{% elif m.role == 'tool' %}<|im_start|>user\n<tool_response>{{ m.content }}</tool_response><|im_end|>\n"
    "{% else %}" + CHATML + "{% endif %}{% endfor %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and enable_thinking %}<think>\n"
    "{% else %}<think>\n\n</think>\n\n{% endif %}"
)
LLAMA = (
    "{% for m in messages %}{% if m.tool_calls is defined %}{% if m.tool_calls | length != 1 %}"
    "{{ raise_exception('one call at a time') }}{% endif %}"
    '{{ \'{"name": "\' + m.tool_calls[0].function.name + \'", "parameters": \' }}'
    "{{ m.tool_calls[0].function.arguments | tojson }}}<|im_end|>{% else %}" + CHATML + "{% endif %}{% endfor %}"
    "{% for t in tools or [] %}{{ t | tojson }}{% endfor %}<|im_start|>assistant\n"
)
MISTRAL = (
    "{% for m in messages %}{% if m.tool_calls %}[TOOL_CALLS][{% for c in m.tool_calls %}"
    "{% if c.id | length != 9 %}{{ raise_exception('ids have nine characters') }}{% endif %}"
    "{{ c.function | tojson }}{% endfor %}]{% elif m.role == 'tool' %}{{ m.tool_call_id + m.content }}"
    "{% else %}" + CHATML + "{% endif %}{% endfor %}{% for t in tools or [] %}{{ t | tojson }}{% endfor %}"
)


def tool(name: str, **parameters: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": parameters, "required": [*parameters], "additionalProperties": False}
    return {"type": "function", "function": {"name": name, "description": f"Does {name}", "parameters": schema}}


TOOLS = [
    tool("get_weather", city={"type": "string", "maxLength": 8}, unit={"enum": ["C", "F"]}),
    tool("add", a={"type": "integer", "minimum": 0, "maximum": 99}),
]
CALM = {"chat_template_kwargs": {"enable_thinking": False}}
BARE_ASK: dict[str, Any] = {"messages": [USER], "tools": TOOLS, "max_tokens": 200}
ASK: dict[str, Any] = {**BARE_ASK, **CALM}
REQUIRED: dict[str, Any] = {**ASK, "tool_choice": "required", "parallel_tool_calls": False, "seed": 1}
BARE_REQUIRED: dict[str, Any] = {**REQUIRED, "chat_template_kwargs": {}}
CLIENT_REQUIRED: dict[str, Any] = {**BARE_ASK, "tool_choice": "required", "parallel_tool_calls": False, "seed": 1}
CLIENT_REQUIRED["extra_body"] = CALM


@contextlib.contextmanager
def served(tmp: Path, template: str | None, *controls: str) -> Iterator[ServedFunction]:
    """A model of random weights, with ``controls`` among its control tokens, that talks in a dialect."""
    model = write_model(tmp / "model.gguf", SHAPES["tiny"], chat_template=template, controls=controls)
    with serving(tmp, MODEL_URI=str(model), N_CTX="2048") as function:
        function.wait("ready")
        yield function


@pytest.fixture(scope="module")
def hermes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedFunction]:
    with served(tmp_path_factory.mktemp("hermes"), HERMES) as function:
        yield function


@pytest.fixture
def client(hermes: ServedFunction) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{hermes.url}/v1", api_key="none", max_retries=0) as made:
        yield made


def answer(function: ServedFunction, **asked: Any) -> dict[str, Any]:
    status, told = function.ask(PATH, asked)
    assert status == 200, told
    choice: dict[str, Any] = told["choices"][0]
    return choice


def refusal(function: ServedFunction, **asked: Any) -> str:
    """The field that a 400 names."""
    status, told = function.ask(PATH, asked)
    assert status == 400, told
    assert told["error"]["param"] in told["error"]["message"]
    return str(told["error"]["param"])


def is_right(call: dict[str, Any]) -> None:
    """A call of one of TOOLS as its schema says."""
    assert call["type"] == "function"
    arguments = json.loads(call["function"]["arguments"])
    if call["function"]["name"] == "get_weather":
        assert set(arguments) == {"city", "unit"}
        assert arguments["unit"] in ("C", "F")
        assert len(arguments["city"]) <= 8
    else:
        assert call["function"]["name"] == "add"
        assert 0 <= arguments["a"] <= 99


def test_a_required_call_is_one_of_the_tools_with_its_arguments(hermes: ServedFunction) -> None:
    names = set()
    for seed in range(8):
        choice = answer(hermes, **{**REQUIRED, "seed": seed})
        assert choice["finish_reason"] == "tool_calls"
        assert choice["message"]["content"] is None
        (call,) = choice["message"]["tool_calls"]
        is_right(call)
        names.add(call["function"]["name"])
    assert names == {"get_weather", "add"}


def test_calls_may_be_several(hermes: ServedFunction) -> None:
    several = {**REQUIRED, "parallel_tool_calls": True, "max_tokens": 400}
    choices = [answer(hermes, **{**several, "seed": seed}) for seed in range(4)]
    assert max(len(choice["message"]["tool_calls"]) for choice in choices) > 1
    for choice in choices:
        calls = choice["message"]["tool_calls"]
        assert len({call["id"] for call in calls}) == len(calls)
        for call in calls if choice["finish_reason"] == "tool_calls" else calls[:-1]:
            is_right(call)


def test_a_named_tool_is_called(hermes: ServedFunction) -> None:
    for name in ("add", "get_weather"):
        for choice in (
            {"type": "function", "function": {"name": name}},
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [
                {"type": "function", "function": {"name": name}}]}},
        ):  # fmt: skip
            (call,) = answer(hermes, **{**REQUIRED, "tool_choice": choice})["message"]["tool_calls"]
            assert call["function"]["name"] == name


def test_without_a_choice_noise_calls_nothing(hermes: ServedFunction) -> None:
    for choice in ("none", "auto"):
        message = answer(hermes, **{**ASK, "tool_choice": choice, "seed": 1, "max_tokens": 20})["message"]
        assert message["content"]
        assert "tool_calls" not in message


def test_tools_are_in_the_prompt_unless_none_may_be_called(hermes: ServedFunction) -> None:
    prompt = hermes.ask("/apply-template", ASK)[1]["prompt"]
    assert '"name": "get_weather"' in prompt
    assert "get_weather" not in hermes.ask("/apply-template", {**ASK, "tool_choice": "none"})[1]["prompt"]


def test_the_openai_client_streams_a_call(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="any", **CLIENT_REQUIRED).choices[0].message
    assert whole.tool_calls
    chunks = list(client.chat.completions.create(model="any", stream=True, **CLIENT_REQUIRED))
    deltas = [chunk.choices[0].delta for chunk in chunks]
    calls = [call for delta in deltas for call in delta.tool_calls or []]
    assert calls[0].id
    assert calls[0].type == "function"
    assert calls[0].function
    assert calls[0].function.name == whole.tool_calls[0].function.name
    assert calls[0].function.arguments == ""
    pieces = [call.function.arguments or "" for call in calls if call.function]
    assert "".join(pieces) == whole.tool_calls[0].function.arguments
    assert len(pieces) > 3, "as they come"
    assert all(call.index == 0 for call in calls)
    assert chunks[-1].choices[0].finish_reason == "tool_calls"
    assert "".join(delta.content or "" for delta in deltas) == ""


class Weather(pydantic.BaseModel):
    """Asks for the weather."""

    city: str = pydantic.Field(max_length=8)
    unit: Literal["C", "F"]


def test_the_openai_client_parses_the_arguments(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {**CLIENT_REQUIRED, "model": "any", "tools": [openai.pydantic_function_tool(Weather)]}
    reply = client.chat.completions.parse(**asked)
    assert reply.choices[0].message.tool_calls
    parsed = reply.choices[0].message.tool_calls[0].function.parsed_arguments
    assert isinstance(parsed, Weather)
    with client.chat.completions.stream(**asked) as stream:
        events = [event for event in stream if event.type == "tool_calls.function.arguments.done"]
    assert isinstance(events[0].parsed_arguments, Weather)
    assert events[0].parsed_arguments == parsed


def test_a_call_and_its_result_are_sent_back(client: openai.OpenAI, hermes: ServedFunction) -> None:
    reply = client.chat.completions.create(model="any", **CLIENT_REQUIRED).choices[0].message
    assert reply.tool_calls
    result: Any = {"role": "tool", "tool_call_id": reply.tool_calls[0].id, "content": "It rains."}
    messages: list[Any] = [USER, reply, result]
    again = client.chat.completions.create(
        model="any", messages=messages, tools=ASK["tools"], max_tokens=4, extra_body=CALM
    )
    assert again.choices[0].message.content
    sent = [USER, reply.model_dump(exclude_none=True), result]
    prompt = hermes.ask("/apply-template", {"messages": sent})[1]["prompt"]
    function = reply.tool_calls[0].function
    assert f'<tool_call>\n{{"name": "{function.name}", "arguments": {function.arguments}}}\n</tool_call>' in prompt
    assert "<tool_response>It rains.</tool_response>" in prompt


def test_strict_tools_and_a_format_hold_where_nothing_must_be_called(hermes: ServedFunction) -> None:
    strict = [{**TOOLS[0], "function": {**TOOLS[0]["function"], "strict": True}}]
    assert answer(hermes, **{**ASK, "tools": strict, "max_tokens": 8})["message"]["content"]
    format_ = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"const": {"x": 1}}}}
    seen = set()
    for seed in range(12):
        choice = answer(hermes, **{**ASK, "response_format": format_, "parallel_tool_calls": False, "seed": seed})
        if "tool_calls" in choice["message"]:
            is_right(choice["message"]["tool_calls"][0])
            seen.add("call")
        else:
            assert choice["message"]["content"] == '{"x": 1}'
            seen.add("content")
    assert seen == {"call", "content"}


def test_a_call_that_is_cut_ends_with_length(hermes: ServedFunction) -> None:
    told = hermes.ask(PATH, REQUIRED)[1]
    whole = told["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]
    cut = answer(hermes, **{**REQUIRED, "max_tokens": told["usage"]["completion_tokens"] - 20})
    assert cut["finish_reason"] == "length"
    (call,) = cut["message"]["tool_calls"]
    assert whole.startswith(call["function"]["arguments"])


def test_what_contradicts_itself_is_refused(hermes: ServedFunction) -> None:
    named = {"type": "function", "function": {"name": "fly"}}
    assert refusal(hermes, messages=[USER], tool_choice="required") == "tool_choice"
    assert refusal(hermes, **{**ASK, "tool_choice": named}) == "tool_choice"
    assert refusal(hermes, messages=[USER], tools=[TOOLS[0], TOOLS[0]]) == "tools.1.function.name"
    bad = {
        "type": "function",
        "function": {"name": "x", "parameters": {"type": "object", "properties": {"a": {"not": {}}}}},
    }
    assert refusal(hermes, **{**REQUIRED, "tools": [TOOLS[0], bad]}) == "tools.1.function.parameters.properties.a"


def test_the_result_of_an_unknown_call_is_text(hermes: ServedFunction) -> None:
    for result in ({"role": "tool", "content": "x"}, {"role": "tool", "content": "x", "tool_call_id": "lost"}):
        prompt = hermes.ask("/apply-template", {"messages": [USER, result]})[1]["prompt"]
        assert "<|im_start|>user\n<tool_response>\nx\n</tool_response><|im_end|>" in prompt


def test_the_last_message_is_continued_where_the_request_asks_for_it(hermes: ServedFunction) -> None:
    begun = {"role": "assistant", "content": "It is "}
    for asked in ({"continue_final_message": True}, {"add_generation_prompt": False}):
        prompt = hermes.ask("/apply-template", {"messages": [USER, begun], **asked})[1]["prompt"]
        assert prompt.endswith("<|im_start|>assistant\nIt is ")
        message = answer(hermes, messages=[USER, begun], seed=1, max_tokens=4, **asked)["message"]
        assert message["content"]
        assert "reasoning_content" not in message
    assert refusal(hermes, messages=[USER], continue_final_message=True) == "continue_final_message"


def test_stop_strings_do_not_look_at_thoughts(hermes: ServedFunction) -> None:
    asked: dict[str, Any] = {"messages": [USER], "max_tokens": 12, "seed": 3}
    thought = answer(hermes, **asked)["message"]["reasoning_content"]
    stopped = answer(hermes, **asked, stop=[thought[2:4]])
    assert (stopped["message"]["reasoning_content"], stopped["finish_reason"]) == (thought, "length")
    content = answer(hermes, **asked, **CALM)["message"]["content"]
    stopped = answer(hermes, **asked, **CALM, stop=[content[3:5]])
    assert (stopped["message"]["content"], stopped["finish_reason"]) == (content[: content.index(content[3:5])], "stop")


def test_plain_text_holds_the_answer_only(hermes: ServedFunction) -> None:
    status, _, text = hermes.exchange("/chat", {"messages": [USER], "max_tokens": 12, "seed": 3})
    assert (status, text) == (200, ""), "noise does not close the thought that the prompt opened"


def test_named_tool_is_called_exactly_once(hermes: ServedFunction) -> None:
    asked = {**ASK, "tool_choice": {"type": "function", "function": {"name": "get_weather"}}}
    for seed in range(6):
        choice = answer(hermes, **asked, seed=seed)
        assert choice["finish_reason"] == "tool_calls"
        (call,) = choice["message"]["tool_calls"]
        assert call["function"]["name"] == "get_weather"
        is_right(call)


def test_cut_call_leaves_no_syntax_in_the_content(hermes: ServedFunction) -> None:
    whole = hermes.ask(PATH, {**REQUIRED, "max_tokens": 200})[1]["usage"]["completion_tokens"]
    for limit in range(1, whole):
        choice = answer(hermes, **{**REQUIRED, "max_tokens": limit})
        assert choice["finish_reason"] == "length"
        assert not choice["message"]["content"], limit


@pytest.mark.parametrize("template", [HERMES, LLAMA, MISTRAL], ids=["hermes", "llama", "mistral"])
def test_name_of_tool_may_have_dots_slashes_and_colons(tmp_path: Path, template: str) -> None:
    name = "files.v1/read:all-now"
    with served(tmp_path, template) as function:
        choice = answer(function, **{**REQUIRED, "tools": [tool(name, a={"enum": [1]})]})
        (call,) = choice["message"]["tool_calls"]
        assert (call["function"]["name"], call["function"]["arguments"]) == (name, '{"a": 1}')
        history = [USER, choice["message"], {"role": "tool", "tool_call_id": call["id"], "content": "x"}]
        assert name in function.ask("/apply-template", {"messages": history})[1]["prompt"] or template is MISTRAL


def test_template_variables_reach_the_template(hermes: ServedFunction) -> None:
    for value, end in ((True, "<think>\n"), (False, "<think>\n\n</think>\n\n")):
        asked = {"messages": [USER], "chat_template_kwargs": {"enable_thinking": value}}
        assert hermes.ask("/apply-template", asked)[1]["prompt"].endswith(end)
    asked = {"messages": [USER], "reasoning_effort": "none"}
    assert hermes.ask("/apply-template", asked)[1]["prompt"].endswith("</think>\n\n")
    limited: dict[str, Any] = {"messages": [USER], "chat_template_kwargs": {"colour": 1}, "max_tokens": 1}
    assert hermes.exchange(PATH, limited)[1]["x-ignored-fields"] == "chat_template_kwargs.colour"
    for name in RESERVED_VARIABLES:
        assert refusal(hermes, messages=[USER], chat_template_kwargs={name: []}) == f"chat_template_kwargs.{name}"
    assert refusal(hermes, messages=[USER], reasoning_effort="high") == "reasoning_effort"


def test_thoughts_are_told_apart(hermes: ServedFunction, client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"messages": [USER], "max_tokens": 12, "seed": 3}
    thinking = {"chat_template_kwargs": {"enable_thinking": True}}
    message = answer(hermes, **asked, **thinking)["message"]
    assert message["reasoning_content"], "the prompt opened the thought, and noise does not close it"
    assert message["content"] == ""
    chunks = client.chat.completions.create(model="any", stream=True, extra_body=thinking, **asked)
    deltas = [chunk.choices[0].delta.model_dump() for chunk in chunks]
    assert "".join(delta.get("reasoning_content") or "" for delta in deltas) == message["reasoning_content"]
    assert not any(delta.get("content") for delta in deltas)
    assert answer(hermes, **asked)["message"]["reasoning_content"], "thinking is on unless the request turns it off"
    message = answer(hermes, **asked, **CALM)["message"]
    assert message["content"]
    assert "reasoning_content" not in message


def test_a_control_token_is_seen_where_it_says_something(tmp_path: Path) -> None:
    with served(tmp_path, MISTRAL, "[TOOL_CALLS]") as function:
        first = answer(function, **BARE_REQUIRED)["message"]
        (call,) = first["tool_calls"]
        is_right(call)
        assert len(call["id"]) == 9
        result = {"role": "tool", "tool_call_id": call["id"], "content": "It rains."}
        asked = {**BARE_ASK, "messages": [USER, first, result], "max_tokens": 4}
        assert answer(function, **asked)["message"]["content"]
        foreign = {"id": "call_of_another", "type": "function", "function": call["function"]}
        asked["messages"] = [
            USER,
            {"role": "assistant", "tool_calls": [foreign]},
            {**result, "tool_call_id": foreign["id"]},
        ]
        assert answer(function, **asked)["message"]["content"]


def test_llamas_calls_are_the_whole_reply(tmp_path: Path) -> None:
    with served(tmp_path, LLAMA) as function:
        first = answer(function, **BARE_REQUIRED)["message"]
        (call,) = first["tool_calls"]
        is_right(call)
        other = {**call, "id": "other"}
        messages = [USER, {**first, "tool_calls": [call, other]}]
        messages += [{"role": "tool", "tool_call_id": each["id"], "content": "x"} for each in (call, other)]
        assert answer(function, **{**BARE_ASK, "messages": messages, "max_tokens": 4})["message"]["content"]


def test_a_model_that_knows_no_tools_is_told_of_them(tmp_path: Path, tiny_model: Path) -> None:
    with serving(tmp_path, MODEL_URI=str(tiny_model), N_CTX="2048", SYSTEM_PROMPT="Be brief.") as function:
        function.wait("ready")
        (call,) = answer(function, **BARE_REQUIRED)["message"]["tool_calls"]
        is_right(call)
        result = {"role": "tool", "tool_call_id": call["id"], "content": "It rains."}
        messages = [USER, {"role": "assistant", "content": "Hm.", "tool_calls": [call]}, result]
        prompt = function.ask("/apply-template", {**BARE_ASK, "messages": messages})[1]["prompt"]
        assert prompt.startswith("<|im_start|>system\nBe brief.\n\n# Tools")
        assert '"name": "get_weather"' in prompt
        assert '<|im_start|>assistant\nHm.\n<tool_call>\n{"name": "' in prompt
        assert "<|im_start|>user\n<tool_response>\nIt rains.\n</tool_response><|im_end|>" in prompt
