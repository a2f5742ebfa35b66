"""Chat templates of real models render what clients send."""

from typing import Any

import pytest

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


@pytest.fixture(scope="module")
def templates(real_templates: dict[str, str]) -> dict[str, JinjaTemplate]:
    """Return the templates by name."""
    return {name: JinjaTemplate(source, bos="<s>", eos="</s>") for name, source in real_templates.items()}


def rendered(template: JinjaTemplate, messages: list[dict[str, Any]], **variables: Any) -> str:
    """Render messages, or return the error."""
    try:
        return template.render(messages, **variables)
    except RequestError as e:
        return e.message


def test_real_templates_render_every_message(templates: dict[str, JinjaTemplate]) -> None:
    assert len(templates) >= 70
    expected = ("FIRST QUESTION", "FIRST ANSWER", "SECOND QUESTION")
    texts = {name: rendered(template, CHAT) for name, template in templates.items()}
    assert {name: text for name, text in texts.items() if not all(message in text for message in expected)} == {}


def test_real_templates_render_a_system_message(templates: dict[str, JinjaTemplate]) -> None:
    wrong = {}
    for name, template in templates.items():
        text = rendered(template, [{"role": "system", "content": "THE SYSTEM PROMPT"}, *CHAT])
        if name in REFUSING_SYSTEM:
            assert "refuses the messages: System role not supported" in text
        elif not ("THE SYSTEM PROMPT" in text and "SECOND QUESTION" in text):
            wrong[name] = text
    assert wrong == {}


def test_real_templates_that_use_tools_render_them(templates: dict[str, JinjaTemplate]) -> None:
    using = {name: template for name, template in templates.items() if template.variables & {"tools", "functions"}}
    assert len(using) >= 50
    texts = {name: rendered(template, CHAT, tools=[TOOL]) for name, template in using.items()}
    expected = ("get_weather", "SECOND QUESTION")
    assert {name: text for name, text in texts.items() if not all(part in text for part in expected)} == {}


def test_real_templates_know_today(templates: dict[str, JinjaTemplate]) -> None:
    for name, template in templates.items():
        assert "Jul 2024" not in rendered(template, CHAT), name
