"""Models for the clients: one that greets, calls a tool and tells its result; an embedding model; a reranker."""

from pathlib import Path

from tests.bert import random_bert, write_bert
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


def write_embedding_model(path: Path) -> Path:
    """Write an embedding model to ``path``; return the path."""
    return write_bert(path, random_bert())


def write_reranker(path: Path) -> Path:
    """Write a reranker to ``path``; return the path."""
    return write_bert(path, random_bert(classifier=True), pooling=4)


OTHER_MODELS = {"embeddings_client.py": write_embedding_model, "rerank_client.py": write_reranker}
"""Functions that write the models of scripts that need another kind."""
