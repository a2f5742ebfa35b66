"""Formats that no model has: calls as an unknown template itself writes them are found, and accepted by the grammar."""

from collections.abc import Sequence

import pytest

from function.dialect.learner import learn
from function.engine.template.template import JinjaTemplate
from tests.dialect_cases import CALLS, LINES, Call, accepts, cuts, found, read, reader_of, write

TEMPLATE = (
    "{% if tools %}Tools: {{ tools | tojson }}\n{% endif %}{% for m in messages %}{% if m.role == 'assistant' %}<|bot|>"
    "{% if m.reasoning_content %}<reflect>{{ m.reasoning_content }}</reflect>\n{% endif %}{{ m.content or '' }}"
    "{% if m.tool_calls %}OPEN{% for c in m.tool_calls %}{% set f = c.function %}CALL"
    "{% if not loop.last %}SEP{% endif %}{% endfor %}CLOSE{% endif %}<|eot|>"
    "{% elif m.role == 'tool' %}<|result|>{{ m.content }}<|eot|>"
    "{% else %}<|{{ m.role }}|>{{ m.content }}<|eot|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|bot|>{% endif %}"
)
JSON = "{{ f.arguments | tojson }}"
VALUE = "{{ v if v is string else v | tojson }}"
EACH = "{% for k, v in f.arguments.items() %}"
END = "{% endfor %}"
FORMATS: dict[str, tuple[str, str, str, str]] = {
    # Name: the text of one call, and what is before all calls, between two, and after all.
    "at signs": (f"@@call {{{{ f.name }}}} {JSON}@@end\n", "", "", ""),
    "attributes": (
        f'<invoke tool="{{{{ f.name }}}}">{EACH}<arg name="{{{{ k }}}}">{VALUE}</arg>{END}</invoke>',
        "", "", "",
    ),
    "lines": (f"[[TOOL]] {{{{ f.name }}}}\n{EACH}{{{{ k }}}}: {{{{ v | tojson }}}}\n{END}[[/TOOL]]", "", "", ""),
    "Python": (
        f"RUN[{{{{ f.name }}}}({EACH}{{{{ k }}}}={{{{ v | tojson }}}}{{{{ ', ' if not loop.last }}}}{END})]",
        "", "", "",
    ),
    "code block": (f'```tool\n{{"tool": "{{{{ f.name }}}}", "args": {JSON}}}\n```\n', "", "", ""),
    "arguments first": (f"<<{JSON} -> {{{{ f.name }}}}>>", "", "", ""),
    "name as tag": (f"<{{{{ f.name }}}}>{JSON}</{{{{ f.name }}}}>", "", "", ""),
    "all as tags": (
        f"<{{{{ f.name }}}}>{EACH}<{{{{ k }}}}>{VALUE}</{{{{ k }}}}>{END}</{{{{ f.name }}}}>",
        "", "", "",
    ),
    "bars": (f"<|fn|>{{{{ f.name }}}}<|args|>{JSON}<|/fn|>", "", "", ""),
    "ids and numbers": (f"<call id={{{{ c.id }}}} n={{{{ loop.index }}}}>{{{{ f.name }}}}|{JSON}</call>", "", "", ""),
    "object in an object": (f'{{"function": {{"name": "{{{{ f.name }}}}", "arguments": {JSON}}}}}', "", "", ""),
    "types": (
        f"<fn {{{{ f.name }}}}>{EACH}<p {{{{ k }}}}:{{{{ 'str' if v is string else 'json' }}}}>{VALUE}</p>{END}</fn>",
        "", "", "",
    ),
    "section of tags": (f"<one name='{{{{ f.name }}}}'>{JSON}</one>", "<calls>\n", "\n", "\n</calls>"),
    "brackets": (f"{{{{ f.name }}}} <- {JSON}", "[calls: ", " ; ", "]"),
    "object around a list": (f'{{"name": "{{{{ f.name }}}}", "arguments": {JSON}}}', '{"tool_calls": [', ", ", "]}"),
    "section of bars": (f"{{{{ f.name }}}}({JSON})", "<|tools|>", "<|next|>", "<|/tools|>"),
    "action": (f"{{{{ f.name }}}}\nAction Input: {JSON}", "Action: ", "\nAction: ", ""),
    "signs": (f"{{{{ f.name }}}}:{JSON}", "§", "¶", "§"),
    "name and id last": (
        f'{{"arguments": {JSON}, "name": "{{{{ f.name }}}}", "id": "{{{{ c.id }}}}"}}',
        "<tool>", "</tool><tool>", "</tool>",
    ),
    "id first": (f"{{{{ c.id }}}}\n{{{{ f.name }}}}\n{JSON}", "<|x|>", "<|z|>", "<|y|>"),
    "list in a code block": (f'{{"name": "{{{{ f.name }}}}", "parameters": {JSON}}}', "```json\n[", ", ", "]\n```"),
    "calls without an end": (f"<f>{{{{ f.name }}}}</f>{EACH}<k>{{{{ k }}}}</k><v>{VALUE}</v>{END}", "<t>", "", "</t>"),
}  # fmt: skip


def template(name: str) -> JinjaTemplate:
    """Return the template that writes calls in a format."""
    call, begin, separator, end = FORMATS[name]
    source = TEMPLATE.replace("OPEN", begin).replace("CALL", call).replace("SEP", separator).replace("CLOSE", end)
    return JinjaTemplate(source)


def written(made: JinjaTemplate, calls: Sequence[Call]) -> str:
    """Return a reply with calls as the template writes it."""
    user = {"role": "user", "content": "Hello"}
    sent = [
        {"id": f"call{number:05d}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for number, (name, arguments) in enumerate(calls)
    ]
    reply = {"role": "assistant", "content": "", "tool_calls": sent}
    before = made.render([user])
    return made.render([user, reply], add_generation_prompt=False).removeprefix(before).removesuffix("<|eot|>")


@pytest.mark.parametrize("name", FORMATS)
def test_invented_format_is_learned_from_its_template(name: str) -> None:
    made = template(name)
    dialect = learn(made.render, made.source or "")
    assert dialect.native
    assert dialect.thought
    for calls in ([CALLS[0]], [CALLS[1]], [CALLS[3]], [LINES], [*CALLS]):
        text = written(made, calls)
        for pieces in cuts(text)[:4]:
            assert found(reader_of(dialect), pieces) == calls, text
    thought = f"<reflect>It may rain.</reflect>\n{written(made, [CALLS[3]])}"
    assert read(reader_of(dialect), thought)[1] == "It may rain."
    assert accepts(dialect, write(dialect, [CALLS[0]]), required=True, parallel=False) == ""
