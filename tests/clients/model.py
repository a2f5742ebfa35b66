"""Scripted model for the clients: it greets, asks for the weather by a tool call, and tells a tool's result."""

from pathlib import Path

from tests.scripted_model import write_scripted_model

GREETING = "Hello! My name is tiny."
CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>'
RESULT = "Expect sunny weather there, take hats."
TEMPLATE = (
    "{% if tools %}<|im_start|>system\n{% for t in tools %}{{ t | tojson }}\n{% endfor %}<|im_end|>\n{% endif %}"
    "{% for m in messages %}"
    "{% if m.tool_calls %}<|im_start|>assistant\n{% for c in m.tool_calls %}<tool_call>\n"
    '{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}\n'
    "</tool_call>{% endfor %}<|im_end|>\n"
    "{% elif m.role == 'tool' %}<|im_start|>user\n<tool_response>{{ m.content }}</tool_response><|im_end|>\n"
    "{% else %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if messages[-1].role == 'tool' %}~{% elif tools %}^{% endif %}{% endif %}"
)


def write(path: Path) -> Path:
    """Write the model to ``path``; return the path."""
    replies = {"\n": GREETING, "^": CALL, "~": RESULT}
    return write_scripted_model(path, replies, template=TEMPLATE, name="clients", n_ctx=4096)
