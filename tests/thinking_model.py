"""Scripted model that thinks, calls a tool and uses its result; and the tool."""

from pathlib import Path
from typing import Any

from tests.scripted_model import write_scripted_model

THOUGHT = "The user greets me."
GREETING = "Hello there, friend!"
PLAN = "Look at weather."
PLAIN_GREETING = "Good day to you!"
CHECKING = "Checking first."
ANSWER = "It is sunny in Paris today."

PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
TEMPLATE = (
    "{% if tools %}<|im_start|>system\n{% for t in tools %}{{ t | tojson }}\n{% endfor %}<|im_end|>\n{% endif %}"
    "{% for m in messages %}{% if m.role == 'tool' %}<|im_start|>user\n"
    "<tool_response>\n{{ m.content }}\n</tool_response><|im_end|>\n"
    "{% else %}<|im_start|>{{ m.role }}\n"
    "{% if m.reasoning_content %}<think>\n{{ m.reasoning_content }}\n</think>\n\n{% endif %}{{ m.content }}"
    '{% for c in m.tool_calls or [] %}<tool_call>\n{"name": "{{ c.function.name }}", "arguments": '
    "{{ c.function.arguments | tojson }}}\n</tool_call>{% endfor %}<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% set thinks = enable_thinking is not defined or enable_thinking %}"
    "{% if not thinks %}<think>\n\n</think>\n\n{% endif %}"
    "{% if messages[-1].role == 'tool' %}\v{% elif tools %}{{ ' ' if thinks else '\\t' }}"
    "{% elif thinks %}{{ '\\r' }}{% endif %}{% endif %}"
)
"""Template whose prompts end with the white space that chooses among the replies."""
REPLIES = {
    "\r": f"<think>\n{THOUGHT}\n</think>\n\n{GREETING}",
    "\n": PLAIN_GREETING,
    " ": f"<think>\n{PLAN}\n</think>\n\n"
    '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>',
    "\t": f'{CHECKING}\n<tool_call>\n{{"name":"get_weather","arguments":{{"city":"Rome"}}}}\n</tool_call>',
    "\v": ANSWER,
}


def write_thinking_model(path: Path) -> Path:
    """Write the model; return the path."""
    return write_scripted_model(path, REPLIES, template=TEMPLATE, name="thinker")
