"""Chat templates of real models render what clients send."""

from typing import Any

from function.engine.template.template import JinjaTemplate
from function.errors import RequestError

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "description": "A city."}},
            "required": ["city"],
        },
    },
}
CHAT = [
    {"role": "user", "content": "FIRST QUESTION"},
    {"role": "assistant", "content": "FIRST ANSWER"},
    {"role": "user", "content": "SECOND QUESTION"},
]
REFUSING_SYSTEM = {"google-gemma-2-2b-it"}
"""Templates that refuse a system message."""


def rendered(source: str, messages: list[dict[str, Any]], **variables: Any) -> str:
    """Render messages, or return the error."""
    try:
        return JinjaTemplate(source, bos="<s>", eos="</s>").render(messages, **variables)
    except RequestError as e:
        return e.message


def test_real_templates_render_every_message(real_templates: dict[str, str]) -> None:
    assert len(real_templates) >= 70
    expected = ("FIRST QUESTION", "FIRST ANSWER", "SECOND QUESTION")
    wrong = {}
    for name, source in real_templates.items():
        text = rendered(source, CHAT)
        if not all(message in text for message in expected):
            wrong[name] = text
    assert wrong == {}


def test_real_templates_render_a_system_message(real_templates: dict[str, str]) -> None:
    wrong = {}
    for name, source in real_templates.items():
        text = rendered(source, [{"role": "system", "content": "THE SYSTEM PROMPT"}, *CHAT])
        if name in REFUSING_SYSTEM:
            assert "refuses the messages: System role not supported" in text
        elif not ("THE SYSTEM PROMPT" in text and "SECOND QUESTION" in text):
            wrong[name] = text
    assert wrong == {}


def test_real_templates_that_use_tools_render_them(real_templates: dict[str, str]) -> None:
    wrong = {}
    for name, source in real_templates.items():
        if not JinjaTemplate(source).variables & {"tools", "functions"}:
            continue
        text = rendered(source, CHAT, tools=[TOOL])
        if not ("get_weather" in text and "SECOND QUESTION" in text):
            wrong[name] = text
    assert wrong == {}


def test_real_templates_know_today(real_templates: dict[str, str]) -> None:
    for name, source in real_templates.items():
        assert "Jul 2024" not in rendered(source, CHAT), name
